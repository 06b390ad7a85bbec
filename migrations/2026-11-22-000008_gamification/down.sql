DROP SCHEMA gamification CASCADE;
