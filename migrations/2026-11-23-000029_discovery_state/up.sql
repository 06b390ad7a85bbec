-- What was there before discovery listened is taken in once.
CREATE TABLE discovery.state (
    key   text PRIMARY KEY,
    value text NOT NULL
);
