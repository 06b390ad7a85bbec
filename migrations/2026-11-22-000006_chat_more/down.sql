DROP TABLE chat.announced;
DROP TABLE chat.audit;
DROP FUNCTION chat.refuse_change();
DROP TABLE chat.reports;
DROP TABLE chat.bans;
DROP TABLE chat.statuses;
DROP TABLE chat.people;
DROP TABLE chat.blocks;
ALTER TABLE chat.members
    DROP COLUMN delivered_seq, DROP COLUMN suspended_until, DROP COLUMN muted, DROP COLUMN notify,
    DROP COLUMN favourite, DROP COLUMN draft, DROP COLUMN own_version;
ALTER TABLE chat.rooms DROP COLUMN settings;
DROP INDEX chat.events_words;
DROP INDEX chat.events_edits;
DROP INDEX chat.events_thread;
DROP INDEX chat.events_message;
DROP TABLE chat.mentions;
DROP TABLE chat.changed;
DROP FUNCTION chat.words(uuid, text);
