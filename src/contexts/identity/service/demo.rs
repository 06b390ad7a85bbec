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
pub const DEMO_PASSWORD: &str = "gigsy-demo-1";

/// A person of the demo.
#[derive(Clone, Copy, Debug)]
pub struct DemoAccount {
    /// Their address.
    pub email: &'static str,
    /// Their name.
    pub display_name: &'static str,
    /// What they are there for: the last of their roles.
    pub role: Role,
    headline: &'static str,
    time_zone: &'static str,
    roles: &'static [Role],
}

const fn person(
    email: &'static str,
    display_name: &'static str,
    headline: &'static str,
    time_zone: &'static str,
    roles: &'static [Role],
) -> DemoAccount {
    let role = match roles.last() {
        Some(role) => *role,
        None => Student,
    };
    DemoAccount { email, display_name, role, headline, time_zone, roles }
}

/// Those one can sign in as. Kept stable: documentation and checks name them.
pub const DEMO_ACCOUNTS: [DemoAccount; 5] = [
    person(
        "client@demo.gigsy.test",
        "Carla Mendes",
        "Runs a small studio in Lisbon",
        "Europe/Lisbon",
        &[Client],
    ),
    person(
        "student@demo.gigsy.test",
        "Sami Haddad",
        "Computer science, third year",
        "Asia/Beirut",
        &[Student],
    ),
    person(
        "mentor@demo.gigsy.test",
        "Maya Lindqvist",
        "Staff engineer, mentoring since 2016",
        "Europe/Stockholm",
        &[Mentor],
    ),
    person(
        "instructor@demo.gigsy.test",
        "Ivan Petrov",
        "Teaches databases and SQL",
        "Europe/Sofia",
        &[Instructor],
    ),
    person(
        "operator@demo.gigsy.test",
        "Olivia Brandt",
        "Keeps the platform running",
        "Europe/Berlin",
        &[Moderator, Operator],
    ),
];

/// Those who fill rooms and lists; they have no password.
const OTHERS: [DemoAccount; 21] = [
    person(
        "amara.diallo@demo.gigsy.test",
        "Amara Diallo",
        "Front-end and illustration",
        "Africa/Dakar",
        &[Student],
    ),
    person("ben.okoye@demo.gigsy.test", "Ben Okoye", "Backend with Rust and Go", "Africa/Lagos", &[Student]),
    person("chiara.romano@demo.gigsy.test", "Chiara Romano", "UX research", "Europe/Rome", &[Student]),
    person(
        "daniel.kim@demo.gigsy.test",
        "Daniel Kim",
        "Data analysis, R and Python",
        "Asia/Seoul",
        &[Student],
    ),
    person(
        "elif.yilmaz@demo.gigsy.test",
        "Elif Yılmaz",
        "Mobile, Kotlin first",
        "Europe/Istanbul",
        &[Student],
    ),
    person("farah.rahman@demo.gigsy.test", "Farah Rahman", "Technical writing", "Asia/Dhaka", &[Student]),
    person(
        "gabriel.souza@demo.gigsy.test",
        "Gabriel Souza",
        "Motion design",
        "America/Sao_Paulo",
        &[Student],
    ),
    person(
        "hana.novakova@demo.gigsy.test",
        "Hana Nováková",
        "Machine learning, first year",
        "Europe/Prague",
        &[Student],
    ),
    person("isaac.mwangi@demo.gigsy.test", "Isaac Mwangi", "DevOps apprentice", "Africa/Nairobi", &[Student]),
    person(
        "julia.kowalska@demo.gigsy.test",
        "Julia Kowalska",
        "Game development",
        "Europe/Warsaw",
        &[Student],
    ),
    person("kenji.tanaka@demo.gigsy.test", "Kenji Tanaka", "Embedded systems", "Asia/Tokyo", &[Student]),
    person(
        "leila.hosseini@demo.gigsy.test",
        "Leila Hosseini",
        "Translation, Persian and German",
        "Europe/Vienna",
        &[Student],
    ),
    person(
        "mateo.garcia@demo.gigsy.test",
        "Mateo García",
        "Founder of a bike-repair app",
        "America/Bogota",
        &[Client],
    ),
    person(
        "nadia.benali@demo.gigsy.test",
        "Nadia Benali",
        "Organises a film festival",
        "Africa/Casablanca",
        &[Client],
    ),
    person(
        "oscar.jensen@demo.gigsy.test",
        "Oscar Jensen",
        "Head of product, energy start-up",
        "Europe/Copenhagen",
        &[Client],
    ),
    person("priya.nair@demo.gigsy.test", "Priya Nair", "Runs an online bookshop", "Asia/Kolkata", &[Client]),
    person(
        "quentin.moreau@demo.gigsy.test",
        "Quentin Moreau",
        "Security engineer",
        "Europe/Paris",
        &[Mentor],
    ),
    person(
        "rosa.delgado@demo.gigsy.test",
        "Rosa Delgado",
        "Design lead, portfolio reviews",
        "America/Mexico_City",
        &[Mentor],
    ),
    person(
        "thomas.weber@demo.gigsy.test",
        "Thomas Weber",
        "Freelancer for twelve years",
        "Europe/Zurich",
        &[Client, Mentor],
    ),
    person(
        "uma.krishnan@demo.gigsy.test",
        "Uma Krishnan",
        "Teaches accessible web design",
        "Asia/Singapore",
        &[Instructor],
    ),
    person(
        "wei.zhang@demo.gigsy.test",
        "Wei Zhang",
        "Teaches statistics",
        "Australia/Melbourne",
        &[Mentor, Instructor],
    ),
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
        let mut leads = [UserId(uuid::Uuid::nil()); DEMO_ACCOUNTS.len()];
        for (id, persona) in leads.iter_mut().zip(&DEMO_ACCOUNTS) {
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
        persona: &DemoAccount,
        joined_days_later: i64,
        signs_in: bool,
    ) -> Result<UserId, IdentityError> {
        let email = Email::parse(persona.email).map_err(IdentityError::internal)?;
        if let Some(found) = self.inner.store.credentials(&email).await? {
            return Ok(found.account.id);
        }
        let password_hash = if signs_in {
            let password = Password::given(DEMO_PASSWORD).map_err(IdentityError::internal)?;
            Some(self.inner.passwords.hash(&password).await?)
        } else {
            None
        };
        let joined = self.inner.clock.now() - Duration::days(120 - 5 * joined_days_later);
        let account = Account {
            id: UserId::new(),
            email: email.clone(),
            email_verified_at: Some(joined),
            display_name: persona.display_name.to_owned(),
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
