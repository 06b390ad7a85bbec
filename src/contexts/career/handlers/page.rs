//! The public page of a portfolio: `GET /p/{slug}`, rendered here, so that it can be read without a script
//! and shown in previews. By `Accept: application/json` the same as JSON.

use std::fmt::Write as _;

use actix_web::{FromRequest, HttpRequest, HttpResponse, http::header, web};
use serde_json::{Value, json};

use crate::{
    contexts::career::{ArtifactView, Career, EvidenceView, PortfolioView, ProfileStation, escape},
    http::{Problem, SignedIn, pages},
    principal::UserId,
};

/// Who asks, if they are signed in: a session that has ended asks as nobody.
pub(super) async fn asker(req: &HttpRequest) -> Option<UserId> {
    SignedIn::extract(req).await.ok().map(|who| who.0.user_id)
}

/// A portfolio's page.
pub async fn portfolio(
    career: web::Data<Career>,
    path: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let who = asker(&req).await;
    let slug = super::plain(&path, "portfolio")?;
    let shown = career.portfolio_at(who, slug).await?;
    let accept = req.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::VARY, "Accept, Cookie, Authorization"));
    answer.insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if accept.contains("application/json") {
        return Ok(answer.json(shown));
    }
    Ok(answer
        .insert_header((header::CONTENT_SECURITY_POLICY, pages::POLICY))
        .content_type("text/html; charset=utf-8")
        .body(render(&shown)))
}

/// A portfolio as a PDF: a résumé to hand out.
#[utoipa::path(get, path = "/api/v1/portfolios/{slug}/resume", tag = "portfolio",
    params(("slug" = String, Path, description = "The address of the portfolio's page")),
    responses((status = 200, description = "The document", content_type = "application/pdf", body = Vec<u8>)))]
pub async fn resume(
    career: web::Data<Career>,
    path: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (name, bytes) = career.cv(asker(&req).await, super::plain(&path, "portfolio")?).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::VARY, "Cookie, Authorization"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .content_type("application/pdf")
        .body(bytes))
}

/// JSON that may stand within a `script` element: nothing in it can end the element.
fn data_block(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The page. Every text goes through [`escape`].
fn render(shown: &PortfolioView) -> String {
    let e = |text: &str| escape(text);
    let name = e(&shown.display_name);
    let headline = e(&shown.headline);
    let about: String = shown.about.chars().take(200).collect();
    let robots = if shown.visibility.as_str() == "public" { "index" } else { "noindex" };
    let linked = json!({
        "@context": "https://schema.org", "@type": "ProfilePage", "url": shown.url,
        "mainEntity": {
            "@type": "Person", "name": shown.display_name, "jobTitle": shown.headline, "description": shown.about,
            "url": shown.url, "sameAs": shown.links.iter().map(|link| &link.url).collect::<Vec<_>>(),
            "knowsAbout": shown.skills.iter().map(|skill| &skill.name).collect::<Vec<_>>(),
            "knowsLanguage": shown.languages.iter().map(|language| &language.tag).collect::<Vec<_>>(),
        },
    });
    let mut page = String::with_capacity(8_192);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"{robots}\">\n\
         <title>{name} · Gigsy</title>\n<link rel=\"canonical\" href=\"{url}\">\n\
         <meta name=\"description\" content=\"{headline}\">\n<meta property=\"og:type\" content=\"profile\">\n\
         <meta property=\"og:title\" content=\"{name}\">\n<meta property=\"og:description\" content=\"{text}\">\n\
         <meta property=\"og:url\" content=\"{url}\">\n<meta property=\"og:site_name\" content=\"Gigsy\">\n\
         <link rel=\"icon\" href=\"/assets/icon.svg\" type=\"image/svg+xml\">\n\
         <link rel=\"stylesheet\" href=\"/assets/app.css\">\n<link rel=\"stylesheet\" href=\"/assets/career.css\">\n\
         <script type=\"application/ld+json\">{linked}</script>\n\
         <script src=\"/assets/vendor/centrifuge.js\" defer></script>\n\
         <script src=\"/assets/portfolio.js\" type=\"module\"></script>\n</head>\n\
         <body data-user=\"{user}\">\n<header class=\"bar\">\n\
         <a class=\"brand\" href=\"/\"><img src=\"/assets/icon.svg\" alt=\"\" width=\"26\" height=\"26\">Gigsy</a>\n\
         <span id=\"connection\" class=\"pill\" role=\"status\" hidden></span>\n</header>\n\
         <main class=\"portfolio\" id=\"main\">\n<h1>{name}</h1>\n<p class=\"headline\">{headline}</p>\n",
        url = e(&shown.url),
        text = e(if about.is_empty() { &shown.headline } else { &about }),
        linked = data_block(&linked),
        user = shown.user_id,
    );
    if !shown.location.is_empty() {
        let _ = writeln!(page, "<p class=\"place\">{}</p>", e(&shown.location));
    }
    for paragraph in shown.about.split("\n\n").filter(|text| !text.trim().is_empty()) {
        let _ = writeln!(page, "<p>{}</p>", e(paragraph));
    }
    list(
        &mut page,
        "Skills",
        shown.skills.iter().map(|skill| {
            let vouched = match skill.endorsements {
                0 => String::new(),
                1 => ", vouched for once".to_owned(),
                n => format!(", vouched for by {n}"),
            };
            format!("{} <span class=\"help\">{} of 5{vouched}</span>", e(&skill.name), skill.level)
        }),
    );
    let _ = write!(
        page,
        "<section id=\"evidence\"{}><h2>Proven here</h2>\n<ul id=\"evidence-list\" aria-live=\"polite\">\n",
        if shown.evidence.is_empty() { " hidden" } else { "" }
    );
    for one in &shown.evidence {
        let _ = writeln!(page, "<li data-id=\"{}\">{}</li>", one.id, proof(one));
    }
    page.push_str("</ul></section>\n");
    list(
        &mut page,
        "Projects",
        shown.projects.iter().map(|one| {
            let title = match &one.url {
                Some(url) => {
                    format!("<a href=\"{}\" rel=\"noopener nofollow\">{}</a>", e(url), e(&one.title))
                }
                None => e(&one.title),
            };
            format!("<b>{title}</b> {}{}", e(&one.summary), artifacts(&one.artifacts))
        }),
    );
    for (heading, stations) in [("Experience", &shown.experience), ("Education", &shown.education)] {
        list(&mut page, heading, stations.iter().map(station));
    }
    list(
        &mut page,
        "Languages",
        shown
            .languages
            .iter()
            .map(|one| format!("{} <span class=\"help\">{} of 5</span>", e(&one.tag), one.level)),
    );
    list(
        &mut page,
        "Links",
        shown.links.iter().map(|one| {
            format!("<a href=\"{}\" rel=\"me noopener nofollow\">{}</a>", e(&one.url), e(&one.label))
        }),
    );
    let _ = writeln!(
        page,
        "<p><a href=\"/api/v1/portfolios/{}/resume\" download>Résumé as PDF</a></p>",
        e(&shown.slug)
    );
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// The pictures and documents of a project.
fn artifacts(all: &[ArtifactView]) -> String {
    let mut markup = String::new();
    for one in all {
        let _ = match &one.thumbnail_url {
            Some(small) => write!(
                markup,
                "<a href=\"{}\"><img class=\"artifact\" loading=\"lazy\" src=\"{}\" alt=\"{}\"></a>",
                escape(&one.url),
                escape(small),
                escape(&one.alt)
            ),
            None => write!(
                markup,
                "<a class=\"artifact\" href=\"{}\" download>{} (PDF)</a>",
                escape(&one.url),
                escape(&one.name)
            ),
        };
    }
    if markup.is_empty() { markup } else { format!("<div class=\"artifacts\">{markup}</div>") }
}

/// A heading with a list, where there is something in it; the items are markup.
fn list(page: &mut String, heading: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return;
    }
    let _ = write!(page, "<section><h2>{heading}</h2>\n<ul>\n");
    for item in items {
        let _ = writeln!(page, "<li>{item}</li>");
    }
    page.push_str("</ul></section>\n");
}

fn proof(one: &EvidenceView) -> String {
    let title = match &one.link {
        Some(link) => format!("<a href=\"{}\">{}</a>", escape(link), escape(&one.title)),
        None => escape(&one.title),
    };
    format!(
        "<b>{title}</b> <span class=\"help\">{}, {}</span>",
        escape(&one.detail),
        one.at.format("%-d %B %Y")
    )
}

fn station(one: &ProfileStation) -> String {
    let time = match (&one.from, &one.to) {
        (None, None) => String::new(),
        (from, to) => format!(
            " <span class=\"help\">{} – {}</span>",
            escape(from.as_deref().unwrap_or("")),
            escape(to.as_deref().unwrap_or("now"))
        ),
    };
    let summary =
        if one.summary.is_empty() { String::new() } else { format!("<br>{}", escape(&one.summary)) };
    format!("<b>{}</b>, {}{time}{summary}", escape(&one.title), escape(&one.organisation))
}
