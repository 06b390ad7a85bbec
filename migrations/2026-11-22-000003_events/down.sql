DROP TABLE platform.dead_letters, platform.inbox, platform.bus_positions, platform.consumers, platform.outbox;
