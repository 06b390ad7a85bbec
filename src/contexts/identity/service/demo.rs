//! The people of the demo.

use chrono::Duration;

use crate::{
    contexts::identity::{
        Identity, IdentityError,
        model::{Account, Email, Password},
        store::{InsertAccount, StoreError},
    },
    principal::{
        Role::{self, Client, Instructor, Mentor, Moderator, Operator, Student},
        UserId,
    },
};

/// The password of the accounts that one can sign in to.
const PASSWORD: &str = "gigsy-demo-1";

struct Persona {
    /// Before `@demo.gigsy.test`.
    local: &'static str,
    name: &'static str,
    headline: &'static str,
    time_zone: &'static str,
    roles: &'static [Role],
}

const fn persona(
    local: &'static str,
    name: &'static str,
    headline: &'static str,
    time_zone: &'static str,
    roles: &'static [Role],
) -> Persona {
    Persona { local, name, headline, time_zone, roles }
}

/// Those one can sign in as. Kept stable: documentation and checks name them.
const LEADS: [Persona; 5] = [
    persona("client", "Carla Mendes", "Runs a small studio in Lisbon", "Europe/Lisbon", &[Client]),
    persona("student", "Sami Haddad", "Computer science, third year", "Asia/Beirut", &[Student]),
    persona("mentor", "Maya Lindqvist", "Staff engineer, mentoring since 2016", "Europe/Stockholm", &[Mentor]),
    persona("instructor", "Ivan Petrov", "Teaches databases and SQL", "Europe/Sofia", &[Instructor]),
    persona("operator", "Olivia Brandt", "Keeps the platform running", "Europe/Berlin", &[Moderator, Operator]),
];

/// Those who fill rooms and lists; they have no password.
const OTHERS: [Persona; 21] = [
    persona("amara.diallo", "Amara Diallo", "Front-end and illustration", "Africa/Dakar", &[Student]),
    persona("ben.okoye", "Ben Okoye", "Backend with Rust and Go", "Africa/Lagos", &[Student]),
    persona("chiara.romano", "Chiara Romano", "UX research", "Europe/Rome", &[Student]),
    persona("daniel.kim", "Daniel Kim", "Data analysis, R and Python", "Asia/Seoul", &[Student]),
    persona("elif.yilmaz", "Elif Yılmaz", "Mobile, Kotlin first", "Europe/Istanbul", &[Student]),
    persona("farah.rahman", "Farah Rahman", "Technical writing", "Asia/Dhaka", &[Student]),
    persona("gabriel.souza", "Gabriel Souza", "Motion design", "America/Sao_Paulo", &[Student]),
    persona("hana.novakova", "Hana Nováková", "Machine learning, first year", "Europe/Prague", &[Student]),
    persona("isaac.mwangi", "Isaac Mwangi", "DevOps apprentice", "Africa/Nairobi", &[Student]),
    persona("julia.kowalska", "Julia Kowalska", "Game development", "Europe/Warsaw", &[Student]),
    persona("kenji.tanaka", "Kenji Tanaka", "Embedded systems", "Asia/Tokyo", &[Student]),
    persona("leila.hosseini", "Leila Hosseini", "Translation, Persian and German", "Europe/Vienna", &[Student]),
    persona("mateo.garcia", "Mateo García", "Founder of a bike-repair app", "America/Bogota", &[Client]),
    persona("nadia.benali", "Nadia Benali", "Organises a film festival", "Africa/Casablanca", &[Client]),
    persona("oscar.jensen", "Oscar Jensen", "Head of product, energy start-up", "Europe/Copenhagen", &[Client]),
    persona("priya.nair", "Priya Nair", "Runs an online bookshop", "Asia/Kolkata", &[Client]),
    persona("quentin.moreau", "Quentin Moreau", "Security engineer", "Europe/Paris", &[Mentor]),
    persona("rosa.delgado", "Rosa Delgado", "Design lead, portfolio reviews", "America/Mexico_City", &[Mentor]),
    persona("thomas.weber", "Thomas Weber", "Freelancer for twelve years", "Europe/Zurich", &[Client, Mentor]),
    persona("uma.krishnan", "Uma Krishnan", "Teaches accessible web design", "Asia/Singapore", &[Instructor]),
    persona("wei.zhang", "Wei Zhang", "Teaches statistics", "Australia/Melbourne", &[Mentor, Instructor]),
];

/// The demo's people, by what they are there for.
#[derive(Clone, Debug)]
pub struct DemoPeople {
    /// `client@demo.gigsy.test`.
    pub client: UserId,
    /// `student@demo.gigsy.test`.
    pub student: UserId,
    /// `mentor@demo.gigsy.test`.
    pub mentor: UserId,
    /// `instructor@demo.gigsy.test`.
    pub instructor: UserId,
    /// `operator@demo.gigsy.test`.
    pub operator: UserId,
    /// Everybody else, always in the same order.
    pub others: Vec<UserId>,
}

impl Identity {
    /// Puts the demo's people there, all verified; those who are there already stay as they are.
    ///
    /// # Errors
    /// [`IdentityError::Store`]; what was done stays, and the next call does the rest.
    pub async fn seed_demo(&self) -> Result<DemoPeople, IdentityError> {
        let mut leads = [UserId(uuid::Uuid::nil()); LEADS.len()];
        for (id, persona) in leads.iter_mut().zip(&LEADS) {
            *id = self.seed_persona(persona, 0, true).await?;
        }
        let mut others = Vec::with_capacity(OTHERS.len());
        for (days, persona) in (0..).zip(&OTHERS) {
            others.push(self.seed_persona(persona, days, false).await?);
        }
        let [client, student, mentor, instructor, operator] = leads;
        Ok(DemoPeople { client, student, mentor, instructor, operator, others })
    }

    async fn seed_persona(
        &self,
        persona: &Persona,
        joined_days_later: i64,
        signs_in: bool,
    ) -> Result<UserId, IdentityError> {
        let address = format!("{}@demo.gigsy.test", persona.local);
        let email = Email::parse(&address).map_err(IdentityError::internal)?;
        if let Some(found) = self.inner.store.credentials(&email).await? {
            return Ok(found.account.id);
        }
        let password_hash = if signs_in {
            let password = Password::given(PASSWORD).map_err(IdentityError::internal)?;
            Some(self.inner.passwords.hash(&password).await?)
        } else {
            None
        };
        let joined = self.inner.clock.now() - Duration::days(120 - 5 * joined_days_later);
        let account = Account {
            id: UserId::new(),
            email: email.clone(),
            email_verified_at: Some(joined),
            display_name: persona.name.to_owned(),
            headline: Some(persona.headline.to_owned()),
            bio: None,
            time_zone: Some(persona.time_zone.to_owned()),
            roles: persona.roles.to_vec(),
            version: 1,
            created_at: joined,
            deletion_due_at: None,
        };
        let id = account.id;
        match self.inner.store.insert_account(&InsertAccount { account, password_hash }).await {
            Ok(()) => Ok(id),
            // Another seeding was quicker.
            Err(StoreError::EmailTaken) => match self.inner.store.credentials(&email).await? {
                Some(found) => Ok(found.account.id),
                None => Err(IdentityError::NotFound("person")),
            },
            Err(error) => Err(error.into()),
        }
    }
}
