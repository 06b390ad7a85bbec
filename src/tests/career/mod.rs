//! Mentorship: slots against an independent oracle, nobody booked twice, the machine with its money and
//! mails, calendars that other programs read.

mod bookings;
mod calendar;
mod feed;
mod files;
mod flow;
mod http;
mod oracle;
mod portfolio;
mod property;
mod world;
