//! Notifications: telling, reading, the live log, mails that are due.

mod http;
mod live;
mod mails;
mod property;
mod push;
mod real;
mod smtp;
mod telling;
mod world;
