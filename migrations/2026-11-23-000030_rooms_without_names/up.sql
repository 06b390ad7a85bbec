-- A mentorship's room bore the names of both: who was erased stayed in it.
UPDATE chat.rooms SET name = 'Mentorship', version = version + 1 WHERE id IN (SELECT id FROM career.mentorships);
