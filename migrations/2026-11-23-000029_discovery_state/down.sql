DROP TABLE discovery.state;
