DROP INDEX chat.events_words;
DROP INDEX chat.events_edits;
DROP INDEX chat.events_thread;
DROP INDEX chat.events_message;
DROP TABLE chat.mentions;
DROP TABLE chat.changed;
DROP FUNCTION chat.words(uuid, text);
