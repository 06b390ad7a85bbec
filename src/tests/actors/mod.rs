//! The actor kit, driven as contexts drive it.

mod crash;
mod domain;
mod observation;
mod passivation;
mod premises;
mod profile;
mod property;
mod solo;
mod stop;
mod subject;
