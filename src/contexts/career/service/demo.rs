//! The demo's mentors: free, one to one, open on weekdays; and a student's portfolio.

use serde_json::json;

use crate::{
    contexts::career::{
        Career, CareerError,
        forms::{AvailabilityForm, MentorForm, ProjectForm, StepForm},
        model::{ProfileForm, ProjectId, Rule, WallTime},
        store,
    },
    principal::{Principal, Role, SessionId, UserId},
};

/// Who plays in the demo.
#[derive(Clone, Debug)]
pub struct DemoCast {
    /// The mentor that one can sign in as.
    pub mentor: UserId,
    /// Another one.
    pub instructor: UserId,
    /// Approves them.
    pub operator: UserId,
    /// Shows a portfolio.
    pub student: UserId,
}

impl Career {
    /// Puts the demo's mentors in place; twice changes nothing.
    ///
    /// # Errors
    /// What kept it.
    pub async fn seed_demo(&self, cast: &DemoCast) -> Result<(), CareerError> {
        let scenes = [
            (
                cast.mentor,
                "Staff engineer; first jobs, system design, code that lasts",
                "I have hired and mentored since 2016. Bring a question, a diagram, an offer letter or a pull \
                 request: we look at it together, and you leave with one next step.",
                vec!["rust", "postgresql", "api-design"],
                vec!["First job", "System design", "Code review"],
                "Europe/Stockholm",
                (9, 17),
            ),
            (
                cast.instructor,
                "Databases without fear, for those who teach themselves",
                "Twenty years of SQL. I help with data models, slow queries and theses that have a database in them.",
                vec!["sql", "data-analysis", "tutoring"],
                vec!["Thesis", "Data modelling"],
                "Europe/Sofia",
                (10, 15),
            ),
        ];
        let judge = somebody(cast.operator, Role::Operator);
        for (user, headline, bio, skills, goals, zone, (from, to)) in scenes {
            if store::mentors::load(&mut *self.conn().await?, user).await?.is_some() {
                continue;
            }
            let who = somebody(user, Role::Mentor);
            let form: MentorForm = serde_json::from_value(json!({
                "headline": headline, "bio": bio, "skills": skills, "goals": goals, "languages": ["en"], "zone": zone,
                "minutes": 60, "notice_minutes": 60, "horizon_days": 90,
                "meeting_url": "https://meet.example.org/gigsy-demo",
            }))?;
            let applied = self.apply_to_mentor(&who, &form).await?;
            let hour = |hour: u16| WallTime::of_minutes(hour * 60);
            let rule = |weekday| Some(Rule { weekday, from: hour(from)?, to: hour(to)? });
            let hours =
                AvailabilityForm { rules: (1..=5).filter_map(rule).collect(), exceptions: Vec::new() };
            self.change_availability(&who, &hours, applied.mentor.version).await?;
            self.move_mentor(&judge, user, "approve", &StepForm::default()).await?;
        }
        let student = somebody(cast.student, Role::Student);
        if store::portfolio::load(&mut *self.conn().await?, cast.student).await?.is_none() {
            let form: ProfileForm = serde_json::from_value(json!({
                "slug": "sami-haddad", "headline": "Computer science, third year", "location": "Beirut",
                "about": "I build small web things that people use, and write down how.\n\nLooking for part-time work in backend or data.",
                "availability": "part_time", "rate": { "amount_minor": 2_500, "currency": "EUR" },
                "skills": [{ "skill": "python", "level": 4 }, { "skill": "sql", "level": 3 }, { "skill": "react", "level": 2 }],
                "languages": [{ "tag": "ar", "level": 5 }, { "tag": "fr", "level": 4 }, { "tag": "en", "level": 4 }],
                "education": [{ "title": "BSc Computer Science", "organisation": "American University of Beirut", "from": "2024-09" }],
                "experience": [{ "title": "Tutor, introduction to programming", "organisation": "AUB", "from": "2025-02" }],
                "visibility": "public",
            }))?;
            self.write_profile(&student, &form, 0).await?;
            let project: ProjectForm = serde_json::from_value(json!({
                "title": "Bus times by message", "summary": "Answers which bus comes next, from open data.",
                "skills": ["python"],
            }))?;
            self.add_project(&student, ProjectId::new(), &project).await?;
        }
        Ok(())
    }
}

fn somebody(user_id: UserId, role: Role) -> Principal {
    Principal {
        user_id,
        session_id: SessionId::new(),
        display_name: String::new(),
        roles: vec![role],
        email_verified: true,
    }
}
