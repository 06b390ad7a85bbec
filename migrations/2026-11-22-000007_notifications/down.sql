DROP TABLE platform.mails;
DROP SCHEMA notifications CASCADE;
