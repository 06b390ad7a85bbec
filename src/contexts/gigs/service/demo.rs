//! The demo's gigs, applications, and a contract in progress.

use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        forms::{ApplyForm, Budget, GigForm, MilestoneForm, OfferForm, ReviewForm},
        model::{BudgetKind, ContractId, GigId, GigState, MilestoneId, MilestoneState, OfferedMilestone},
        store::{self, gigs::GigFilter},
        views::MilestoneView,
    },
    money::{Currency, Money},
    ports::payments::{Notice, PaymentIntent, PaymentStatus},
    principal::{Principal, Role, SessionId, UserId},
};

/// Who plays in the demo.
#[derive(Clone, Debug)]
pub struct DemoCast {
    /// Posts gigs and pays.
    pub client: UserId,
    /// Applies and works.
    pub student: UserId,
    /// Everybody else; some of them post, some apply.
    pub others: Vec<UserId>,
}

/// A gig of the script: by whom (0 is the client), title, description, skills, what it pays, slots,
/// days until the deadline, a question, and what becomes of it.
struct Scene {
    by: usize,
    title: &'static str,
    description: &'static str,
    skills: &'static [&'static str],
    pays: (BudgetKind, i64, Option<i64>),
    slots: i32,
    days: i64,
    question: Option<&'static str>,
    end: GigState,
    applicants: usize,
}

const SCENES: &[Scene] = &[
    Scene {
        by: 0,
        title: "Landing page for a climate podcast",
        description: "We launch in four weeks and need one page that plays the trailer, explains who we are and collects e-mail addresses. Copy and logo exist; please keep it light, accessible and easy for us to edit.",
        skills: &["web-development", "html-css", "accessibility"],
        pays: (BudgetKind::Fixed, 60_000, None),
        slots: 1,
        days: 21,
        question: Some("Which page that you built should we look at?"),
        end: GigState::Filled,
        applicants: 3,
    },
    Scene {
        by: 0,
        title: "Programme booklet for our autumn concerts",
        description: "Twenty-four pages A5: eight concerts, portraits of the musicians, a page about the old tram depot. Texts and photos are there. We print on recycled paper, so please think of dark photos early.",
        skills: &["graphic-design", "editing"],
        pays: (BudgetKind::Fixed, 52_000, None),
        slots: 1,
        days: 20,
        question: Some("Which booklet of yours should we look at?"),
        end: GigState::Completed,
        applicants: 2,
    },
    Scene {
        by: 0,
        title: "Clean up two years of survey data",
        description: "About 4,000 answers in nine spreadsheets with changing column names. We want one tidy table, a short note on what you changed, and five charts for our annual report.",
        skills: &["data-analysis", "spreadsheets", "data-visualisation"],
        pays: (BudgetKind::Fixed, 38_000, Some(45_000)),
        slots: 1,
        days: 14,
        question: None,
        end: GigState::Open,
        applicants: 4,
    },
    Scene {
        by: 0,
        title: "Translate our help centre into Polish",
        description: "Sixty short articles, plain language, no legal texts. A glossary is there. You should be a native speaker and enjoy consistent terms.",
        skills: &["translation", "proofreading"],
        pays: (BudgetKind::Fixed, 72_000, None),
        slots: 2,
        days: 30,
        question: Some("Translate: “Your booking is held for ten minutes.”"),
        end: GigState::Open,
        applicants: 2,
    },
    Scene {
        by: 0,
        title: "Python tutor for our evening course",
        description: "Two evenings a week for six weeks, twelve beginners, online. You answer questions while they work on exercises; the lessons themselves are prepared.",
        skills: &["python", "tutoring"],
        pays: (BudgetKind::Hourly, 2_400, Some(3_000)),
        slots: 3,
        days: 10,
        question: None,
        end: GigState::Open,
        applicants: 3,
    },
    Scene {
        by: 1,
        title: "Short film: one day in our repair café",
        description: "Two minutes for our website and the city's newsletter. We have releases from everybody who may appear. Filming on a Saturday, cut within two weeks.",
        skills: &["video-editing", "photography"],
        pays: (BudgetKind::Fixed, 55_000, None),
        slots: 1,
        days: 18,
        question: None,
        end: GigState::Open,
        applicants: 1,
    },
    Scene {
        by: 1,
        title: "Find out why our React app feels slow",
        description: "A list view with some 2,000 rows stutters on older phones. We want a diagnosis with measurements first, then a fix for the worst of it. Code is on GitHub, tests exist.",
        skills: &["react", "typescript", "testing"],
        pays: (BudgetKind::Hourly, 3_500, None),
        slots: 1,
        days: 12,
        question: Some("How would you measure “slow” here?"),
        end: GigState::Open,
        applicants: 2,
    },
    Scene {
        by: 1,
        title: "Logo and poster for a chamber music festival",
        description: "Four concerts in June in an old tram depot. We love bold type and hate clip art. Delivered as vector files, plus a template for the programme.",
        skills: &["logo-design", "graphic-design", "branding"],
        pays: (BudgetKind::Fixed, 48_000, None),
        slots: 1,
        days: 25,
        question: None,
        end: GigState::Paused,
        applicants: 2,
    },
    Scene {
        by: 2,
        title: "Interview ten first-year students about housing",
        description: "Half-hour interviews from a guide we bring, notes in a template, a two-page summary. Participants are recruited by us and get a voucher.",
        skills: &["ux-research", "research", "writing"],
        pays: (BudgetKind::Fixed, 40_000, None),
        slots: 2,
        days: 16,
        question: None,
        end: GigState::Open,
        applicants: 2,
    },
    Scene {
        by: 2,
        title: "Move a small shop from spreadsheets to PostgreSQL",
        description: "Stock, suppliers and orders live in seven sheets. Design a schema, import what is there, and write the handful of reports that we print on Mondays.",
        skills: &["postgresql", "sql", "python"],
        pays: (BudgetKind::Fixed, 90_000, Some(120_000)),
        slots: 1,
        days: 28,
        question: None,
        end: GigState::Open,
        applicants: 1,
    },
    Scene {
        by: 2,
        title: "Social media for our open day",
        description: "Three weeks, four posts a week, from photos and facts that we give you. You answer comments in the evening of the day itself.",
        skills: &["social-media", "copywriting"],
        pays: (BudgetKind::Fixed, 30_000, None),
        slots: 1,
        days: 9,
        question: None,
        end: GigState::Cancelled,
        applicants: 1,
    },
    Scene {
        by: 0,
        title: "Illustrations for a children's book about bees",
        description: "Twelve double pages in watercolour or something that looks like it. The text is final; a bee researcher checks the facts with you.",
        skills: &["illustration"],
        pays: (BudgetKind::Fixed, 150_000, None),
        slots: 1,
        days: 35,
        question: None,
        end: GigState::Open,
        applicants: 1,
    },
    Scene {
        by: 0,
        title: "Firmware tests for a weather station",
        description: "A draft: we are still finding out which boards to support.",
        skills: &["c-cpp", "testing"],
        pays: (BudgetKind::Hourly, 3_000, None),
        slots: 1,
        days: 40,
        question: None,
        end: GigState::Draft,
        applicants: 0,
    },
];

const PROPOSALS: [&str; 4] = [
    "I did something close to this for our students' union last term and would be glad to show it to you. I can start next week and would send you a first version after five days.",
    "This is exactly what I want to get better at. I have two free afternoons a week and would keep you posted every Friday, so that you never have to ask how far it is.",
    "I have read your description twice and have one suggestion that may save you money; happy to explain it in a short call. My last three clients came back.",
    "I study this and do it for fun as well. I work carefully, document what I do, and hand over so that you can go on without me.",
];

impl Gigs {
    /// Puts the demo's gigs there; what is there already stays as it is.
    ///
    /// # Errors
    /// When a store fails; what was done stays, and the next call does the rest.
    pub async fn seed_demo(&self, cast: &DemoCast) -> Result<(), GigsError> {
        for scene in SCENES {
            let owner = match scene.by {
                0 => cast.client,
                by => cast.others.get(by - 1).copied().unwrap_or(cast.client),
            };
            let filter =
                GigFilter { owner: Some(owner), states: GigState::ALL.to_vec(), ..GigFilter::default() };
            let there = store::gigs::list(&mut *self.conn().await?, &filter, 200).await?;
            if there.iter().all(|gig| gig.title != scene.title) {
                self.seed_scene(cast, scene, owner).await?;
            }
        }
        Ok(())
    }

    async fn seed_scene(&self, cast: &DemoCast, scene: &Scene, owner: UserId) -> Result<(), GigsError> {
        let client = player(owner, Role::Client);
        let gig = self.draft(&client, &self.form(scene)).await?.id;
        if scene.end == GigState::Draft {
            return Ok(());
        }
        self.move_gig(&client, gig, "post").await?;
        // The demo's student applies to the first and to every third gig.
        let people = std::iter::once(cast.student).chain(cast.others.iter().rev().copied());
        let hired = matches!(scene.end, GigState::Filled | GigState::Completed);
        let skipped = usize::from(!hired && !scene.title.len().is_multiple_of(3));
        for (n, who) in people.skip(skipped).filter(|who| *who != owner).take(scene.applicants).enumerate() {
            let answers = scene.question.map(|_| "Gladly: have a look at my portfolio.".to_owned());
            let form = ApplyForm {
                proposal: PROPOSALS[(scene.title.len() + n) % PROPOSALS.len()].to_owned(),
                answers: answers.into_iter().collect(),
            };
            self.apply(&player(who, Role::Student), gig, &form).await?;
        }
        match scene.end {
            GigState::Paused => drop(self.move_gig(&client, gig, "pause").await?),
            GigState::Cancelled => drop(self.move_gig(&client, gig, "cancel").await?),
            GigState::Filled => self.seed_running(&client, &player(cast.student, Role::Student), gig).await?,
            GigState::Completed => {
                self.seed_whole(&client, &player(cast.student, Role::Student), gig).await?
            }
            _ => {}
        }
        Ok(())
    }

    /// A contract that goes on: of three milestones one is approved, one delivered, one planned.
    async fn seed_running(
        &self,
        client: &Principal,
        student: &Principal,
        gig: GigId,
    ) -> Result<(), GigsError> {
        let parts = [
            ("Wireframe and structure", 15_000),
            ("Working page with the player", 30_000),
            ("Sign-up form, polish and hand-over", 15_000),
        ];
        let Some(contract) = self.seed_contract(client, student, gig, &parts).await? else { return Ok(()) };
        let milestones = self.contract(client, contract).await?.milestones;
        let notes = ["Three variants; I like the second.", "The player works in all browsers I have."];
        for (n, (milestone, note)) in milestones.iter().zip(notes).enumerate() {
            if self.seed_delivery(client, student, milestone, note).await? && n == 0 {
                self.move_milestone(client, milestone.id, "approve", &MilestoneForm::default()).await?;
            }
        }
        Ok(())
    }

    /// A contract from the offer to both reviews, every cent released.
    async fn seed_whole(&self, client: &Principal, student: &Principal, gig: GigId) -> Result<(), GigsError> {
        let parts = [("Layout of four sample pages", 18_000), ("All pages, ready for print", 34_000)];
        let Some(contract) = self.seed_contract(client, student, gig, &parts).await? else { return Ok(()) };
        let milestones = self.contract(client, contract).await?.milestones;
        let note = |text: &str| MilestoneForm { note: Some(text.to_owned()), reason: None };
        let notes =
            ["Four pages as PDF, two type sizes to compare.", "Print file with bleed, and a list of fonts."];
        for (n, (milestone, text)) in milestones.iter().zip(notes).enumerate() {
            if !self.seed_delivery(client, student, milestone, text).await? {
                return Ok(());
            }
            if n == 0 {
                let asked = note("Please try the larger type, our readers are not all young.");
                self.move_milestone(client, milestone.id, "request_changes", &asked).await?;
                let again = note("Larger type, one line fewer a page.");
                self.move_milestone(student, milestone.id, "submit", &again).await?;
            }
            self.move_milestone(client, milestone.id, "approve", &MilestoneForm::default()).await?;
            self.until_released(client, milestone.id).await?;
        }
        let review = |rating, body: &str| ReviewForm { rating, body: body.to_owned() };
        let of_student =
            review(5, "Careful, quick, and better at type than we are. The printer had no questions.");
        let of_client = review(5, "Clear wishes, answers within a day, paid as soon as it was approved.");
        self.review(client, contract, &of_student).await?;
        self.review(student, contract, &of_client).await?;
        Ok(())
    }

    /// The student is offered these milestones, and takes them.
    async fn seed_contract(
        &self,
        client: &Principal,
        student: &Principal,
        gig: GigId,
        parts: &[(&str, i64)],
    ) -> Result<Option<ContractId>, GigsError> {
        let found = self.applications(student, gig, 1, None).await?.0;
        let Some(application) = found.first() else { return Ok(None) };
        let piece = |(title, amount): &(&str, i64)| OfferedMilestone {
            title: (*title).to_owned(),
            amount: Money::new(*amount, Currency::EUR),
            due_at: None,
        };
        let milestones = parts.iter().map(piece).collect();
        let (id, none) = (application.id, OfferForm::default());
        self.move_application(client, id, "shortlist", &none).await?;
        self.move_application(client, id, "offer", &OfferForm { milestones }).await?;
        Ok(self.move_application(student, id, "accept", &none).await?.contract_id)
    }

    /// A milestone is paid for and delivered; `false` where only real money would do.
    async fn seed_delivery(
        &self,
        client: &Principal,
        student: &Principal,
        milestone: &MilestoneView,
        note: &str,
    ) -> Result<bool, GigsError> {
        if self.payments().name() != "sandbox" {
            return Ok(false);
        }
        let funding = self.move_milestone(client, milestone.id, "fund", &MilestoneForm::default()).await?;
        let Some(reference) = funding.payment.and_then(|payment| payment.provider_ref) else {
            return Ok(false);
        };
        // What the sandbox's webhook will say too, once a server runs.
        let intent = PaymentIntent {
            id: reference,
            client_secret: None,
            status: PaymentStatus::Succeeded,
            amount: milestone.amount,
            milestone: Some(milestone.id.0),
        };
        if self.milestone(client, milestone.id).await?.state == MilestoneState::Funding {
            self.apply_notice(&mut *self.conn().await?, &Notice::Payment(intent)).await?;
        }
        let form = MilestoneForm { note: Some(note.to_owned()), reason: None };
        self.move_milestone(student, milestone.id, "submit", &form).await?;
        Ok(true)
    }

    /// Does what is due until the transfer has been made, here or by a server's worker.
    async fn until_released(&self, client: &Principal, id: MilestoneId) -> Result<(), GigsError> {
        for _ in 0..200 {
            self.tick().await?;
            if self.milestone(client, id).await?.state == MilestoneState::Released {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(GigsError::Later("the demo's transfer has not ended yet"))
    }

    fn form(&self, scene: &Scene) -> GigForm {
        let (kind, amount_minor, max_amount_minor) = scene.pays;
        GigForm {
            title: scene.title.to_owned(),
            description: scene.description.to_owned(),
            skills: scene.skills.iter().map(ToString::to_string).collect(),
            budget: Budget { kind, amount_minor, max_amount_minor, currency: Currency::EUR },
            slots: scene.slots,
            deadline: Some(self.now() + chrono::Duration::days(scene.days)),
            questions: scene.question.map(str::to_owned).into_iter().collect(),
            attachments: Vec::new(),
        }
    }
}

/// Somebody of the demo, as if they had signed in.
fn player(user_id: UserId, role: Role) -> Principal {
    Principal {
        user_id,
        session_id: SessionId::new(),
        display_name: String::new(),
        roles: vec![role],
        email_verified: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_well_formed() {
        assert!(SCENES.len() >= 12);
        let titles: std::collections::BTreeSet<_> = SCENES.iter().map(|scene| scene.title).collect();
        assert_eq!(titles.len(), SCENES.len());
        assert!(SCENES.iter().all(|scene| !scene.skills.is_empty()));
    }
}
