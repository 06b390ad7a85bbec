DROP TABLE gigs.saved_searches, gigs.invitations;
ALTER TABLE gigs.timers DROP COLUMN correlation_id;
