DROP TABLE gigs.saved_searches, gigs.invitations;
