//! What a course holds: modules of items, and when each is done. A published version is this document,
//! frozen; items keep their ids from version to version, and so a learner keeps their progress.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    ItemId, Progress,
    grading::{LatePolicy, Policy, Rubric},
    quiz::QuizSpec,
};
use crate::error::FieldError;

/// In which order items may be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CourseOrder)]
pub enum Order {
    /// In any.
    #[default]
    Free,
    /// Each after the required ones before it are done.
    Sequential,
}

/// A course's content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CourseContent)]
pub struct Content {
    /// In which order items may be taken.
    #[serde(default)]
    pub order: Order,
    /// 1 to 100 in a published course.
    #[schema(max_items = 100)]
    pub modules: Vec<Module>,
    /// How the course's grade is made of its items' scores.
    #[serde(default)]
    pub grading: Policy,
}

/// A chapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CourseModule)]
pub struct Module {
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    pub title: String,
    /// 100 at most.
    #[schema(max_items = 100)]
    pub items: Vec<Item>,
}

/// Something to do or see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CourseItem)]
pub struct Item {
    /// The same in every version; made by the server where it is left out.
    #[serde(default = "ItemId::new")]
    pub id: ItemId,
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    pub title: String,
    /// What it is.
    pub body: Body,
    /// When it is done; by default what fits the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// Whether the course needs it.
    #[serde(default = "yes")]
    pub required: bool,
    /// Until when, if there is a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DueDate>,
}

fn yes() -> bool {
    true
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = ItemBody)]
pub enum Body {
    /// To read: Markdown (CommonMark); raw HTML in it is shown as text.
    Text {
        /// Up to 100,000 characters.
        #[schema(max_length = 100_000)]
        markdown: String,
    },
    /// To watch.
    Video {
        /// The instructor's upload.
        file: Uuid,
        /// WebVTT captions, an upload too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        captions: Option<Uuid>,
    },
    /// To have.
    File {
        /// The instructor's upload.
        file: Uuid,
    },
    /// To be asked.
    Quiz(QuizSpec),
    /// To hand in.
    Assignment {
        /// What is asked, in Markdown.
        #[schema(max_length = 100_000)]
        markdown: String,
        /// By what it is graded.
        rubric: Rubric,
        /// What lateness costs.
        #[serde(default)]
        late: LatePolicy,
    },
    /// To be there.
    Live {
        /// When it begins.
        starts_at: DateTime<Utc>,
        /// Where: `https://…`.
        #[schema(max_length = 2_000)]
        url: String,
    },
}

/// When an item is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ItemRule)]
pub enum Rule {
    /// Opened.
    Viewed,
    /// Watched to so many percent.
    Watched(u8),
    /// Handed in.
    Submitted,
    /// Scored so many percent.
    Scored(u8),
}

/// Until when something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ItemDue)]
pub enum DueDate {
    /// On a date.
    At(DateTime<Utc>),
    /// So many days after one has enrolled.
    Days(u16),
}

impl DueDate {
    /// The date for somebody who enrolled then, with an extension of so many hours.
    pub fn of(self, enrolled: DateTime<Utc>, extension_hours: i32) -> DateTime<Utc> {
        // Dates come from clients: one that cannot be moved stays.
        let later = |date: DateTime<Utc>, by: Duration| date.checked_add_signed(by).unwrap_or(date);
        let date = match self {
            Self::At(date) => date,
            Self::Days(days) => later(enrolled, Duration::days(i64::from(days))),
        };
        later(date, Duration::hours(i64::from(extension_hours)))
    }
}

impl Item {
    /// The rule, or the one that fits the body.
    pub fn done_by(&self) -> Rule {
        self.rule.unwrap_or(match self.body {
            Body::Video { .. } => Rule::Watched(90),
            Body::Quiz(_) => Rule::Scored(60),
            Body::Assignment { .. } => Rule::Submitted,
            _ => Rule::Viewed,
        })
    }

    /// Whether progress fulfils the rule.
    pub fn is_done(&self, progress: &Progress) -> bool {
        match self.done_by() {
            Rule::Viewed => progress.viewed,
            Rule::Watched(percent) => progress.watched >= i32::from(percent),
            Rule::Submitted => progress.submitted,
            Rule::Scored(percent) => progress.score.is_some_and(|score| score >= i32::from(percent) * 100),
        }
    }

    /// Whether the item has a score.
    pub fn is_graded(&self) -> bool {
        matches!(self.body, Body::Quiz(_) | Body::Assignment { .. })
    }

    /// The uploads that it needs.
    pub fn files(&self) -> Vec<Uuid> {
        match &self.body {
            Body::Video { file, captions } => std::iter::once(*file).chain(*captions).collect(),
            Body::File { file } => vec![*file],
            _ => Vec::new(),
        }
    }
}

impl Content {
    /// All items, in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.modules.iter().flat_map(|module| &module.items)
    }

    /// The item of that id.
    pub fn item(&self, id: ItemId) -> Option<&Item> {
        self.items().find(|item| item.id == id)
    }

    /// The required items before `id` that are not done: what a sequential course wants first.
    pub fn wanting(&self, id: ItemId, done: impl Fn(ItemId) -> bool) -> Vec<ItemId> {
        if self.order == Order::Free {
            return Vec::new();
        }
        let before = self.items().take_while(|item| item.id != id);
        before.filter(|item| item.required && !done(item.id)).map(|item| item.id).collect()
    }

    /// Whether every required item is done. A course in which nothing is required wants all of them.
    pub fn is_complete(&self, done: impl Fn(ItemId) -> bool) -> bool {
        let any = self.items().any(|item| item.required);
        let mut wanted = self.items().filter(|item| item.required || !any).peekable();
        wanted.peek().is_some() && wanted.all(|item| done(item.id))
    }

    /// What is wrong with it as a draft; `whole` asks what a published course needs besides.
    pub fn flaws(&self, whole: bool) -> Vec<FieldError> {
        let mut flaws = Vec::new();
        let mut wrong = |at: String, said: &str| flaws.push(FieldError::new(at, said));
        if self.modules.len() > 100 {
            wrong("/modules".into(), "takes 100 modules at most");
        }
        let mut ids = BTreeSet::new();
        for (m, module) in self.modules.iter().enumerate() {
            if !title(&module.title) {
                wrong(format!("/modules/{m}/title"), "takes 1 to 120 characters");
            }
            if module.items.len() > 100 {
                wrong(format!("/modules/{m}/items"), "takes 100 items at most");
            }
            for (i, item) in module.items.iter().enumerate() {
                let at = format!("/modules/{m}/items/{i}");
                if !title(&item.title) {
                    wrong(format!("{at}/title"), "takes 1 to 120 characters");
                }
                if !ids.insert(item.id) {
                    wrong(format!("{at}/id"), "another item has it");
                }
                if let Some(Rule::Watched(percent) | Rule::Scored(percent)) = item.rule
                    && !(1..=100).contains(&percent)
                {
                    wrong(format!("{at}/rule"), "must be from 1 to 100 percent");
                }
                let fits = match (item.done_by(), &item.body) {
                    (Rule::Viewed, _) => true,
                    (Rule::Watched(_), body) => matches!(body, Body::Video { .. }),
                    (Rule::Submitted | Rule::Scored(_), _) => item.is_graded(),
                };
                if !fits {
                    wrong(format!("{at}/rule"), "can never be fulfilled by such an item");
                }
                for (place, said) in body_flaws(&item.body) {
                    wrong(format!("{at}/body{place}"), &said);
                }
            }
        }
        for (place, said) in self.grading.flaws(|id| self.item(id).is_some_and(Item::is_graded)) {
            wrong(format!("/grading{place}"), &said);
        }
        if whole && self.items().next().is_none() {
            wrong("/modules".into(), "a course that can be taken has an item at least");
        }
        flaws
    }
}

fn title(text: &str) -> bool {
    (1..=120).contains(&text.trim().chars().count())
}

fn body_flaws(body: &Body) -> Vec<(String, String)> {
    let text = |markdown: &str| match markdown.chars().count() {
        0..=100_000 => Vec::new(),
        _ => vec![("/markdown".to_owned(), "takes 100,000 characters at most".to_owned())],
    };
    match body {
        Body::Text { markdown } => text(markdown),
        Body::Video { .. } | Body::File { .. } => Vec::new(),
        Body::Quiz(quiz) => quiz.flaws(),
        Body::Assignment { markdown, rubric, late } => {
            let mut flaws = text(markdown);
            flaws.extend(rubric.flaws().into_iter().map(|(at, said)| (format!("/rubric{at}"), said)));
            flaws.extend(late.flaws().into_iter().map(|(at, said)| (format!("/late{at}"), said)));
            flaws
        }
        Body::Live { url, .. } => {
            let fits = url.len() <= 2_000 && url::Url::parse(url).is_ok_and(|url| url.scheme() == "https");
            if fits { Vec::new() } else { vec![("/url".to_owned(), "must be an https URL".to_owned())] }
        }
    }
}

/// Markdown as HTML that a page may show. Raw HTML in it becomes text, and links lead to `http`, `https`
/// and `mailto` only: what is left cannot run anything.
pub fn rendered(markdown: &str) -> String {
    use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, html};
    let safe = |url: &CowStr<'_>| {
        let url = url.trim().to_ascii_lowercase();
        url.starts_with("https://") || url.starts_with("http://") || url.starts_with("mailto:")
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    let events = Parser::new_ext(markdown, options).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link { link_type, dest_url, title, id })
            if link_type != LinkType::Email && !safe(&dest_url) =>
        {
            Event::Start(Tag::Link { link_type, dest_url: "#".into(), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) if !safe(&dest_url) => {
            Event::Start(Tag::Image { link_type, dest_url: "".into(), title, id })
        }
        other => other,
    });
    let mut out = String::with_capacity(markdown.len() * 3 / 2);
    html::push_html(&mut out, events);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markdown_cannot_run_anything() {
        let shown = rendered(
            "# Hi\n\n<script>alert(1)</script>\n\n[a](javascript:alert(1)) ![x](data:text/html,1) <b onclick=x>",
        );
        assert!(shown.contains("<h1>Hi</h1>"), "{shown}");
        for bad in ["<script", "javascript:", "data:", "<b "] {
            assert!(!shown.contains(bad), "{bad} in {shown}");
        }
        assert!(rendered("[a](https://example.org)").contains("href=\"https://example.org\""));
    }

    proptest! {
        #[test]
        fn no_markdown_makes_a_tag_of_its_own(text in "[<>a-z/=\" \\[\\]()!:`*\n&;#]{0,80}") {
            let shown = rendered(&text);
            for tag in ["<script", "<svg", "<iframe", "onerror=\"", "javascript:"] {
                prop_assert!(!shown.contains(tag) || tag == "onerror=\"", "{} in {}", tag, shown);
            }
        }
    }
}
