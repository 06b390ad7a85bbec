drop schema platform cascade;
