DROP TABLE career.follows, career.evidence, career.projects, career.endorsements, career.profiles;
