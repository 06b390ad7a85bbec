//! Production, as far as it can be had without an engine that runs containers: the shipped configuration
//! of nginx and Prometheus, the scripts, the image's stages, a log service that misbehaves.

mod backup;
mod certificates;
mod front;
mod image;
mod logtail;
mod memory;
mod prometheus;
mod rolling;
mod traces;
mod vps;
