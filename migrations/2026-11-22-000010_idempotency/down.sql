DROP TABLE platform.idempotency;
