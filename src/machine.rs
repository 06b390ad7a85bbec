//! State machines as data: who may take which step from where to where, and which steps time takes.
//!
//! A context lists its [`Transition`]s in a [`Machine`]; what is allowed is asked here, and the
//! executor ([`moves`]) writes state, history, timers and event in one transaction. That no state is a
//! trap is not argued but walked: [`Machine::flaws`] goes over the whole list, and a test of each
//! machine expects it to find nothing.

pub mod moves;
pub mod timers;

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

/// Who takes a step, as a machine sees them. One person may be several of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// Who posted the gig and pays.
    Client,
    /// Who applies, works, learns.
    Student,
    /// Who teaches.
    Instructor,
    /// Who gives advice.
    Mentor,
    /// Keeps content in order.
    Moderator,
    /// Runs the platform.
    Operator,
    /// A durable timer.
    Timer,
    /// A verified message of the payment provider.
    Webhook,
    /// The platform, as a consequence of another step.
    System,
}

impl Actor {
    /// The name in history rows and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Student => "student",
            Self::Instructor => "instructor",
            Self::Mentor => "mentor",
            Self::Moderator => "moderator",
            Self::Operator => "operator",
            Self::Timer => "timer",
            Self::Webhook => "webhook",
            Self::System => "system",
        }
    }

    /// Whether a person can be one; the others act on nobody's request.
    pub const fn is_person(self) -> bool {
        !matches!(self, Self::Timer | Self::Webhook | Self::System)
    }
}

/// When a timer takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// So long after the state was entered.
    After(Duration),
    /// At the deadline that the thing itself has, if it has one.
    Deadline,
}

/// A number of days, for [`Due::After`].
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 24 * 60 * 60)
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Transition<S: 'static> {
    /// The step's name, as in `POST …/{transition}` and in history.
    pub name: &'static str,
    /// Who may take it.
    pub who: &'static [Actor],
    /// From which states.
    pub from: &'static [S],
    /// To which.
    pub to: S,
    /// The subject of the event that tells of it.
    pub event: &'static str,
    /// When a timer takes it, if one does.
    pub timer: Option<Due>,
}

/// A machine: its states and its steps.
#[derive(Clone, Copy, Debug)]
pub struct Machine<S: 'static> {
    /// Its name, in history rows and timers.
    pub name: &'static str,
    /// All states.
    pub states: &'static [S],
    /// Where things begin.
    pub initial: S,
    /// Where they may stay for good.
    pub finals: &'static [S],
    /// The steps.
    pub transitions: &'static [Transition<S>],
}

/// Why a step is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The machine has no step of that name.
    Unknown,
    /// Somebody else may take it.
    NotYours,
    /// Not from the present state; these are the steps that could be taken instead.
    NotNow {
        /// What the same actors may do now, sorted.
        allowed: Vec<&'static str>,
    },
}

impl<S: Copy + Eq + Debug + 'static> Machine<S> {
    /// What `actors` may do in `state`: names of steps, sorted, each once.
    pub fn allowed_transitions(&self, state: S, actors: &[Actor]) -> Vec<&'static str> {
        let open = self.transitions.iter().filter(|step| step.from.contains(&state) && step.permits(actors));
        open.map(|step| step.name).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The step of that name from `state`, if one of `actors` may take it now.
    ///
    /// # Errors
    /// [`Refusal`]; the order is: is there such a step, is it yours, is it time.
    pub fn step(&self, state: S, name: &str, actors: &[Actor]) -> Result<&'static Transition<S>, Refusal> {
        let named: Vec<&'static Transition<S>> =
            self.transitions.iter().filter(|step| step.name == name).collect();
        if named.is_empty() {
            return Err(Refusal::Unknown);
        }
        if !named.iter().any(|step| step.permits(actors)) {
            return Err(Refusal::NotYours);
        }
        let now = named.into_iter().find(|step| step.permits(actors) && step.from.contains(&state));
        now.ok_or_else(|| Refusal::NotNow { allowed: self.allowed_transitions(state, actors) })
    }

    /// The steps that time takes from `state`.
    pub fn timers(&self, state: S) -> impl Iterator<Item = (&'static Transition<S>, Due)> + use<S> {
        let transitions = self.transitions;
        let waiting = move |step: &'static Transition<S>| {
            step.timer.filter(|_| step.from.contains(&state)).map(|due| (step, due))
        };
        transitions.iter().filter_map(waiting)
    }

    /// Whether things may stay in `state` for good.
    pub fn is_final(&self, state: S) -> bool {
        self.finals.contains(&state)
    }

    /// Walks the whole list and tells what is wrong with it: a state that is not final and has no
    /// way out, a state that nothing leads to, one from which no final state can be reached, two
    /// steps that cannot be told apart, a timer that nobody may be.
    pub fn flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        for state in self.states {
            let leaves = self.transitions.iter().any(|step| step.from.contains(state) && step.to != *state);
            if !leaves && !self.is_final(*state) {
                flaws.push(format!("{}: {state:?} has no exit", self.name));
            }
            if !self.reaches(*state).iter().any(|end| self.is_final(*end)) {
                flaws.push(format!("{}: no end can be reached from {state:?}", self.name));
            }
        }
        let reached = self.reaches(self.initial);
        for state in self.states.iter().filter(|state| !reached.contains(state)) {
            flaws.push(format!("{}: nothing leads to {state:?}", self.name));
        }
        for (n, step) in self.transitions.iter().enumerate() {
            if step.who.is_empty() || step.from.is_empty() {
                flaws.push(format!("{}: nobody can ever {}", self.name, step.name));
            }
            if step.timer.is_some() && !step.who.contains(&Actor::Timer) {
                flaws.push(format!("{}: no timer may {}", self.name, step.name));
            }
            for other in &self.transitions[..n] {
                let shared = step.from.iter().any(|state| other.from.contains(state))
                    && step.who.iter().any(|who| other.who.contains(who));
                if step.name == other.name && shared {
                    flaws.push(format!("{}: {} leads to two states", self.name, step.name));
                }
            }
        }
        flaws
    }

    /// `state` and all that can be reached from it.
    fn reaches(&self, state: S) -> Vec<S> {
        let mut reached = vec![state];
        let mut next = 0;
        while let Some(state) = reached.get(next).copied() {
            next += 1;
            for step in self.transitions.iter().filter(|step| step.from.contains(&state)) {
                if !reached.contains(&step.to) {
                    reached.push(step.to);
                }
            }
        }
        reached
    }
}

impl<S> Transition<S> {
    fn permits(&self, actors: &[Actor]) -> bool {
        self.who.iter().any(|who| actors.contains(who))
    }
}

/// A state that has a name.
pub trait State: Copy + Eq + Debug + Send + Sync + 'static {
    /// The name in JSON and in the database.
    fn name(self) -> &'static str;
}

/// Declares the states of a machine: an enum of unit variants with their names in JSON, in the
/// database and in the API document. (`$text` is a token tree: as a `literal` it would reach the derives
/// wrapped, and the API document's does not see through that.)
#[macro_export]
macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $( $(#[$vdoc:meta])* $variant:ident = $text:tt ),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
            utoipa::ToSchema, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
        )]
        #[diesel(sql_type = diesel::sql_types::Text)]
        pub enum $name { $( $(#[$vdoc])* #[serde(rename = $text)] $variant ),+ }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),+ ];

            /// The name in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text ),+ }
            }

            /// The one of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $( $text => Some(Self::$variant), )+ _ => None }
            }
        }

        impl $crate::machine::State for $name {
            fn name(self) -> &'static str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl diesel::serialize::ToSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
            ) -> diesel::serialize::Result {
                <str as diesel::serialize::ToSql<diesel::sql_types::Text, diesel::pg::Pg>>::to_sql(self.as_str(), out)
            }
        }

        impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn from_sql(bytes: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                let text = <String as diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg>>::from_sql(bytes)?;
                Self::parse(&text).ok_or_else(|| format!(concat!(stringify!($name), " has no {}"), text).into())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Door {
        Open,
        Shut,
        Walled,
        Gone,
    }

    const STEPS: &[Transition<Door>] = &[
        Transition {
            name: "shut",
            who: &[Actor::Client, Actor::Timer],
            from: &[Door::Open],
            to: Door::Shut,
            event: "door.shut",
            timer: Some(Due::After(days(1))),
        },
        Transition {
            name: "open",
            who: &[Actor::Client],
            from: &[Door::Shut],
            to: Door::Open,
            event: "door.opened",
            timer: None,
        },
        Transition {
            name: "wall_up",
            who: &[Actor::Operator],
            from: &[Door::Shut],
            to: Door::Walled,
            event: "door.walled",
            timer: None,
        },
    ];

    fn machine(states: &'static [Door], finals: &'static [Door]) -> Machine<Door> {
        Machine { name: "door", states, initial: Door::Open, finals, transitions: STEPS }
    }

    #[test]
    fn a_step_is_known_then_yours_then_timely() {
        let door = machine(&[Door::Open, Door::Shut, Door::Walled], &[Door::Walled]);
        assert_eq!(door.step(Door::Open, "kick", &[Actor::Client]).unwrap_err(), Refusal::Unknown);
        assert_eq!(door.step(Door::Shut, "wall_up", &[Actor::Client]).unwrap_err(), Refusal::NotYours);
        let early = door.step(Door::Open, "open", &[Actor::Client, Actor::Operator]).unwrap_err();
        assert_eq!(early, Refusal::NotNow { allowed: vec!["shut"] });
        assert_eq!(door.step(Door::Open, "shut", &[Actor::Timer]).unwrap().to, Door::Shut);
        assert_eq!(
            door.allowed_transitions(Door::Shut, &[Actor::Client, Actor::Operator]),
            ["open", "wall_up"]
        );
        assert_eq!(door.timers(Door::Open).count(), 1);
        assert_eq!(door.timers(Door::Shut).count(), 0);
    }

    #[test]
    fn the_walk_finds_traps_and_orphans() {
        assert!(machine(&[Door::Open, Door::Shut, Door::Walled], &[Door::Walled]).flaws().is_empty());
        let trapped = machine(&[Door::Open, Door::Shut, Door::Walled], &[Door::Shut]).flaws();
        assert!(trapped.iter().any(|flaw| flaw.contains("Walled has no exit")), "{trapped:?}");
        let orphan =
            machine(&[Door::Open, Door::Shut, Door::Walled, Door::Gone], &[Door::Walled, Door::Gone]);
        assert_eq!(orphan.flaws(), ["door: nothing leads to Gone"]);
    }
}
