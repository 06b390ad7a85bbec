//! Writing, publishing and finding courses.

use diesel_async::AsyncConnection;
use serde_json::json;
use uuid::Uuid;

use super::{actors, kind_of, one_more, taught};
use crate::{
    contexts::{
        learning::{
            AnnouncementForm, AnnouncementView, CourseForm, CoursePatch, CourseView, DraftView, Learning,
            LearningError, OutlineItem, OutlineModule,
            forms::Check,
            model::{
                COURSE, Course, CourseId, CourseState,
                content::{Body, Content},
            },
            store::{
                self,
                courses::{Announcement, Filter},
                moves::{self, At, By},
            },
        },
        objects::{self, UploadId},
    },
    events::{self, NewEvent},
    machine::Actor,
    principal::{Principal, Role, UserId},
};

/// People whom one event tells of an announcement, at most.
const TOLD_AT_ONCE: usize = 500;

/// Which courses.
#[derive(Clone, Debug, Default)]
pub struct CourseQuery {
    /// Words of title or summary.
    pub q: Option<String>,
    /// Of this instructor.
    pub owner: Option<UserId>,
    /// One's own, drafts included.
    pub mine: bool,
}

pub(super) fn visible(who: &Principal, course: &Course) -> bool {
    course.published > 0 || course.owner_id == who.user_id
}

impl Learning {
    /// Drafts a course under `id`, which may be one that this person has drafted before.
    ///
    /// # Errors
    /// [`LearningError::NotYours`] for somebody who is no instructor; [`LearningError::Invalid`].
    pub async fn draft_course(
        &self,
        who: &Principal,
        id: Uuid,
        form: &CourseForm,
    ) -> Result<CourseView, LearningError> {
        if !who.is(Role::Instructor) {
            return Err(LearningError::NotYours("only instructors offer courses"));
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        let mut check = Check::default();
        let title = check.text("/title", &form.title, 1..=120);
        let summary = check.text("/summary", &form.summary, 0..=2_000);
        let known = store::courses::existing(&mut conn, &form.prerequisites).await?;
        prerequisites(&mut check, &form.prerequisites, &known, CourseId(id));
        let (price_minor, currency) = check.price(form.price);
        check.done()?;
        let course = Course {
            id: CourseId(id),
            owner_id: who.user_id,
            title,
            summary,
            prerequisites: form.prerequisites.clone(),
            state: CourseState::Draft,
            draft: serde_json::to_value(Content::default())?,
            published: 0,
            price_minor,
            currency,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let course = &course;
        (*conn)
            .transaction(async |conn| {
                if store::courses::insert(conn, course).await? {
                    let by = (Actor::Instructor, course.owner_id);
                    return moves::born(conn, &COURSE, course.id.0, None, by, now, json!({})).await;
                }
                let there = store::courses::load(conn, course.id).await?;
                let own = there.is_some_and(|there| there.owner_id == course.owner_id);
                if own { Ok(()) } else { Err(LearningError::No("course")) }
            })
            .await?;
        Ok(CourseView::of(course, &actors(who, course)))
    }

    /// A course with its outline, for whoever may see it.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn course(&self, who: &Principal, id: CourseId) -> Result<CourseView, LearningError> {
        let mut conn = self.conn().await?;
        let course = store::courses::load(&mut conn, id).await?.filter(|course| visible(who, course));
        let course = course.ok_or(LearningError::No("course"))?;
        let mut view = CourseView::of(&course, &actors(who, &course));
        let content = match course.published {
            0 => Some(course.draft.clone()),
            number => store::courses::content(&mut conn, id, number).await?,
        };
        if let Some(content) = content {
            view.outline = Some(outline(&serde_json::from_value(content)?));
        }
        view.enrolment_id = store::enrolments::live(&mut conn, id, who.user_id).await?.map(|one| one.id);
        Ok(view)
    }

    /// The catalogue, or one's own courses; the newest first.
    ///
    /// # Errors
    /// [`LearningError::Invalid`] for a foreign cursor.
    pub async fn courses(
        &self,
        who: &Principal,
        query: CourseQuery,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<CourseView>, Option<String>), LearningError> {
        let owner = if query.mine { Some(who.user_id) } else { query.owner };
        let own = owner == Some(who.user_id);
        let filter = Filter {
            q: query.q.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty()),
            states: if own { CourseState::ALL.to_vec() } else { vec![CourseState::Published] },
            owner,
            before: self.after("courses", cursor)?,
        };
        let found = store::courses::list(&mut *self.conn().await?, &filter, one_more(limit)).await?;
        let (found, next) = self.page("courses", found, limit, |course| course.id.0);
        Ok((found.iter().map(|course| CourseView::of(course, &actors(who, course))).collect(), next))
    }

    /// Changes a course's card, if it has the version that the caller saw.
    ///
    /// # Errors
    /// [`LearningError::Stale`], [`LearningError::NotYours`], [`LearningError::Invalid`].
    pub async fn patch_course(
        &self,
        who: &Principal,
        id: CourseId,
        patch: &CoursePatch,
        version: Option<i64>,
    ) -> Result<CourseView, LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let wanted = patch.prerequisites.clone().unwrap_or_default();
        let known = store::courses::existing(&mut conn, &wanted).await?;
        let course = (*conn)
            .transaction(async |conn| {
                taught(conn, who, id).await?;
                let mut course = store::courses::lock(conn, id).await?.ok_or(LearningError::No("course"))?;
                if version.is_some_and(|version| version != course.version) {
                    return Err(LearningError::Stale);
                }
                let mut check = Check::default();
                if let Some(title) = &patch.title {
                    course.title = check.text("/title", title, 1..=120);
                }
                if let Some(summary) = &patch.summary {
                    course.summary = check.text("/summary", summary, 0..=2_000);
                }
                if let Some(courses) = &patch.prerequisites {
                    prerequisites(&mut check, courses, &known, id);
                    course.prerequisites.clone_from(courses);
                }
                if let Some(price) = patch.price {
                    (course.price_minor, course.currency) = check.price(price);
                }
                check.done()?;
                course.version = store::courses::update(conn, &course, now).await?;
                course.updated_at = now;
                Ok::<_, LearningError>(course)
            })
            .await?;
        Ok(CourseView::of(&course, &actors(who, &course)))
    }

    /// What its instructor works at.
    ///
    /// # Errors
    /// [`LearningError::NotYours`].
    pub async fn draft(&self, who: &Principal, id: CourseId) -> Result<DraftView, LearningError> {
        let course = taught(&mut *self.conn().await?, who, id).await?;
        Ok(DraftView { content: serde_json::from_value(course.draft)?, version: course.version })
    }

    /// Writes the draft, if the course has the version that the caller saw. Learners see nothing of it
    /// until it is published.
    ///
    /// # Errors
    /// [`LearningError::Stale`], [`LearningError::NotYours`], [`LearningError::Invalid`].
    pub async fn write_draft(
        &self,
        who: &Principal,
        id: CourseId,
        content: &Content,
        version: Option<i64>,
    ) -> Result<DraftView, LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let flaws = content.flaws(false);
        if !flaws.is_empty() {
            return Err(LearningError::Invalid(flaws));
        }
        let draft = serde_json::to_value(content)?;
        let version = (*conn)
            .transaction(async |conn| {
                taught(conn, who, id).await?;
                let mut course = store::courses::lock(conn, id).await?.ok_or(LearningError::No("course"))?;
                if version.is_some_and(|version| version != course.version) {
                    return Err(LearningError::Stale);
                }
                owned(conn, who, content).await?;
                course.draft = draft;
                Ok(store::courses::update(conn, &course, now).await?)
            })
            .await?;
        Ok(DraftView { content: content.clone(), version })
    }

    /// Publishes the draft as the next version, or archives the course.
    ///
    /// # Errors
    /// [`LearningError::NotNow`], [`LearningError::NotYours`], [`LearningError::NoTransition`],
    /// [`LearningError::Invalid`] for a draft that cannot be taken.
    pub async fn move_course(
        &self,
        who: &Principal,
        id: CourseId,
        step: &str,
    ) -> Result<CourseView, LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let course = (*conn)
            .transaction(async |conn| {
                let course = store::courses::lock(conn, id).await?.filter(|course| visible(who, course));
                let mut course = course.ok_or(LearningError::No("course"))?;
                let actors = actors(who, &course);
                let mut data = json!({ "course_id": id, "owner_id": course.owner_id, "title": course.title });
                if step == "publish" && course.owner_id == who.user_id {
                    let content: Content = serde_json::from_value(course.draft.clone())?;
                    let flaws = content.flaws(true);
                    if !flaws.is_empty() {
                        return Err(LearningError::Invalid(flaws));
                    }
                    owned(conn, who, &content).await?;
                    for file in content.items().flat_map(|item| item.files()) {
                        objects::hold(conn, UploadId(file), &format!("course:{id}")).await?;
                    }
                    course.published = store::courses::freeze(conn, &course, now).await?;
                    data["number"] = json!(course.published);
                }
                let by = By { actors: &actors, user: Some(who.user_id) };
                let moved = moves::advance(conn, &COURSE, At::from(&course), step, by, now, data).await?;
                (course.state, course.version, course.updated_at) = (moved.state, moved.version, now);
                Ok::<_, LearningError>(course)
            })
            .await?;
        Ok(CourseView::of(&course, &actors(who, &course)))
    }

    /// Tells everybody in a course something: live on `course:<id>`, and by notification.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::Invalid`].
    pub async fn announce(
        &self,
        who: &Principal,
        id: CourseId,
        announcement: Uuid,
        form: &AnnouncementForm,
    ) -> Result<AnnouncementView, LearningError> {
        let mut check = Check::default();
        let body = check.text("/body", &form.body, 1..=4_000);
        check.done()?;
        let new = Announcement {
            id: announcement,
            course_id: id,
            author_id: who.user_id,
            body,
            created_at: self.now(),
        };
        let mut conn = self.conn().await?;
        let tell = &new;
        (*conn)
            .transaction(async |conn| {
                let course = taught(conn, who, id).await?;
                if course.published == 0 {
                    return Err(LearningError::Contradicts("publish the course first: nobody is in it"));
                }
                if store::courses::announce(conn, tell).await? {
                    let data = json!({
                        "course_id": id, "announcement_id": tell.id, "author_id": tell.author_id, "body": tell.body,
                        "created_at": tell.created_at,
                    });
                    let event = NewEvent {
                        subject: "course.announced",
                        context: "learning",
                        aggregate: id.to_string(),
                        version: course.version,
                        data,
                    };
                    events::record(conn, event).await?;
                    // Who is told: so many an event, however large the course.
                    for people in store::enrolments::people(conn, id).await?.chunks(TOLD_AT_ONCE) {
                        let data = json!({
                            "course_id": id, "announcement_id": tell.id, "author_id": tell.author_id,
                            "title": course.title, "user_ids": people,
                        });
                        let event = NewEvent {
                            subject: "announcement.sent",
                            context: "learning",
                            aggregate: tell.id.to_string(),
                            version: 1,
                            data,
                        };
                        events::record(conn, event).await?;
                    }
                }
                Ok(())
            })
            .await?;
        Ok(AnnouncementView::from(new))
    }

    /// What was told, the latest first, to whoever is in the course.
    ///
    /// # Errors
    /// [`LearningError::NotYours`].
    pub async fn announcements(
        &self,
        who: &Principal,
        id: CourseId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<AnnouncementView>, Option<String>), LearningError> {
        let before = self.after("announcements", cursor)?;
        self.in_course(who, id).await?;
        let mut conn = self.conn().await?;
        let found = store::courses::announcements(&mut conn, id, before, one_more(limit)).await?;
        let (found, next) = self.page("announcements", found, limit, |one| one.id);
        Ok((found.into_iter().map(AnnouncementView::from).collect(), next))
    }

    /// Goes on for its instructor, and for whoever is enrolled.
    ///
    /// # Errors
    /// [`LearningError::No`], [`LearningError::NotYours`].
    pub async fn in_course(&self, who: &Principal, id: CourseId) -> Result<(), LearningError> {
        let mut conn = self.conn().await?;
        let course = store::courses::load(&mut conn, id).await?.filter(|course| visible(who, course));
        let course = course.ok_or(LearningError::No("course"))?;
        if course.owner_id == who.user_id {
            return Ok(());
        }
        match store::enrolments::live(&mut conn, id, who.user_id).await? {
            Some(one) if one.learns() => Ok(()),
            _ => Err(LearningError::NotYours("enrol first")),
        }
    }
}

/// Whether what a draft uses is its instructor's own: files that are ready, banks.
async fn owned(
    conn: &mut diesel_async::AsyncPgConnection,
    who: &Principal,
    content: &Content,
) -> Result<(), LearningError> {
    let mut check = Check::default();
    for (m, module) in content.modules.iter().enumerate() {
        for (i, item) in module.items.iter().enumerate() {
            let at = format!("/modules/{m}/items/{i}/body");
            for file in item.files() {
                if objects::ready(conn, who.user_id, UploadId(file)).await.is_err() {
                    check.refuse(format!("{at}/file"), "is no upload of yours that is ready");
                }
            }
            if let Body::Quiz(quiz) = &item.body {
                for (d, draw) in quiz.draws.iter().enumerate() {
                    let bank = store::banks::load(conn, draw.bank).await?;
                    if bank.is_none_or(|bank| bank.owner_id != who.user_id) {
                        check.refuse(format!("{at}/draws/{d}/bank"), "is no bank of yours");
                    }
                }
            }
        }
    }
    check.done()
}

fn prerequisites(check: &mut Check, wanted: &[CourseId], known: &[Uuid], own: CourseId) {
    if wanted.len() > 10 {
        check.refuse("/prerequisites", "takes 10 courses at most");
    }
    for (n, course) in wanted.iter().enumerate() {
        if *course == own || !known.contains(&course.0) {
            check.refuse(format!("/prerequisites/{n}"), "is no other course");
        }
    }
}

fn outline(content: &Content) -> Vec<OutlineModule> {
    let item = |item: &crate::contexts::learning::model::content::Item| OutlineItem {
        id: item.id,
        title: item.title.clone(),
        kind: kind_of(&item.body),
        required: item.required,
        rule: item.done_by(),
    };
    let module = |module: &crate::contexts::learning::model::content::Module| OutlineModule {
        title: module.title.clone(),
        items: module.items.iter().map(item).collect(),
    };
    content.modules.iter().map(module).collect()
}
