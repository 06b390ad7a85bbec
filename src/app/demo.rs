//! The demo data: people, rooms, history.

use super::{StartError, wiring};
use crate::{
    config::Config,
    contexts::{
        career::{self, Career, CareerError},
        chat::{Chat, ChatError, DemoCast},
        gigs::{self, Gigs, GigsError},
        identity::{Identity, IdentityError},
        learning::{self, Learning, LearningError},
    },
    postgres::{Database, DbError},
};

/// The demo data is not in place.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Accounts with a known password do not belong on a server that others can reach.
    #[error(
        "demo accounts have a known password, and this server can be reached from elsewhere: \
         use a loopback GIGSY_LISTEN and GIGSY_PUBLIC_URL, or set GIGSY_ALLOW_DEMO=1"
    )]
    NotHere,
    /// The database does not answer.
    #[error("the database does not answer")]
    Database(#[from] DbError),
    /// No actors can be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The people.
    #[error("the demo's people")]
    People(#[from] IdentityError),
    /// The rooms.
    #[error("the demo's rooms")]
    Rooms(#[from] ChatError),
    /// The gigs.
    #[error("the demo's gigs")]
    Gigs(#[from] GigsError),
    /// The courses.
    #[error("the demo's courses")]
    Courses(#[from] LearningError),
    /// The mentors.
    #[error("the demo's mentors")]
    Career(#[from] CareerError),
}

/// Told of each step: its name, and how far it is.
pub type Progress<'a> = &'a dyn Fn(&str, u64, u64);

/// Whether demo accounts may be made here.
///
/// # Errors
/// [`DemoError::NotHere`].
pub fn permit_demo(config: &Config) -> Result<(), DemoError> {
    if config.is_loopback() || config.data.allow_demo { Ok(()) } else { Err(DemoError::NotHere) }
}

/// Puts the demo data in place without a server; twice changes nothing.
///
/// # Errors
/// What kept it; what was done stays and is not done again.
pub async fn seed_demo(
    config: &Config,
    database: &Database,
    progress: Progress<'_>,
) -> Result<(), DemoError> {
    let identity = wiring::identity(config, database).await?;
    let chat = wiring::chat_at_rest(config, database, &identity).await?;
    let gigs = wiring::gigs_at_rest(config, database).await?;
    let learning = wiring::learning_at_rest(config, database, &identity).await?;
    let career = wiring::career_at_rest(config, database).await?;
    let done = fill(&identity, &chat, &gigs, &learning, &career, progress).await;
    chat.domain().stop(config.drain()).await;
    done
}

pub(super) async fn fill(
    identity: &Identity,
    chat: &Chat,
    gigs: &Gigs,
    learning: &Learning,
    career: &Career,
    progress: Progress<'_>,
) -> Result<(), DemoError> {
    progress("people", 0, 5);
    let people = identity.seed_demo().await?;
    progress("rooms and history", 1, 5);
    chat.seed_demo(&DemoCast {
        client: people.client,
        student: people.student,
        mentor: people.mentor,
        instructor: people.instructor,
        operator: people.operator,
        others: people.others.clone(),
    })
    .await?;
    progress("gigs", 2, 5);
    gigs.seed_demo(&gigs::DemoCast { client: people.client, student: people.student, others: people.others })
        .await?;
    progress("courses", 3, 5);
    learning
        .seed_demo(&learning::DemoCast { instructor: people.instructor, student: people.student })
        .await?;
    progress("mentors", 4, 5);
    career
        .seed_demo(&career::DemoCast {
            mentor: people.mentor,
            instructor: people.instructor,
            operator: people.operator,
            student: people.student,
        })
        .await?;
    progress("done", 5, 5);
    Ok(())
}
