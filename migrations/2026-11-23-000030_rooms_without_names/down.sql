-- The names are not kept anywhere: they stay away.
SELECT 1;
