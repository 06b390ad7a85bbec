//! The actor kit: what actix leaves out, on top of actix.
//!
//! actix 0.13 loses an actor that panics together with its mailbox, restarts a stopped one with its
//! old state, cannot tell how long a mailbox is, and lets `do_send` pass any bound. So every actor
//! of Gigsy runs inside a *shell* (an actix actor) that owns its state:
//!
//! - A [`Behavior`] is the state and its message handlers ([`Receive`]); it is rebuilt from storage.
//! - A panic in a handler, in a spawned future or in a callback drops the state, answers the poison
//!   message's asker with [`AskError::Crashed`], waits a backoff, and rebuilds on the *same* mailbox:
//!   queued messages are served by the new state.
//! - A [`Mailbox`] is the only way in: bounded, counted, `tell` or `ask`.
//! - A [`Domain`] supervises the actors of one kind by id: get-or-start, restart intensity,
//!   passivation, placement over [`Arbiters`], ordered stop. A [`Solo`] is one actor without a domain,
//!   on the current thread.
//! - A [`Registry`] shows all of them to operators and to Prometheus.
//!
//! # What a behaviour may rely on
//! - Messages of one sender arrive in the order in which `tell`/`ask_now` accepted them.
//! - Work spawned by one incarnation never touches another's state: it dies with its incarnation.
//! - For every mailbox, `enqueued = handled + dead + depth` once senders are quiet. `handled` are
//!   messages given to the behaviour (the one that crashed it too), `dead` those accepted and never
//!   given to it, `rejected` those refused because the mailbox was full (never enqueued).
//! - An actor with waiting messages, unanswered replies or running futures is never passivated.
//!
//! `docs/decisions/0003-a-shell-over-actix-supervisor.md` tells why.

mod arbiters;
mod behavior;
mod cell;
mod cx;
mod delay;
mod domain;
mod errors;
mod gate;
mod mailbox;
mod metrics;
mod observation;
mod panics;
mod registry;
mod reply;
mod shell;
mod solo;
mod supervisor;

pub use arbiters::Arbiters;
pub use behavior::{Behavior, RebuildError, Receive, Request};
pub use cx::Cx;
pub use domain::{Domain, DomainConfig, DrainReport};
pub use errors::{AskError, RestartError, SendError};
pub use mailbox::Mailbox;
pub use observation::{ActorReport, ActorStatus, Filter, PanicReport, Sort};
pub use panics::install_panic_hook;
pub use registry::Registry;
pub use reply::{Pending, Reply};
pub use solo::Solo;
