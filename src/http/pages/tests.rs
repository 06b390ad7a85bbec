use std::collections::BTreeSet;

use actix_web::{App, http::StatusCode, test as http, web};

use super::*;

/// Everything that the assets' sources say, with its name.
fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES
        .iter()
        .chain(PAGES)
        .filter(|(name, _)| !name.starts_with("vendor/"))
        .map(|(name, asset)| (*name, std::str::from_utf8(asset.body).unwrap()))
}

#[actix_web::test]
async fn a_page_comes_with_its_policy_and_is_not_sent_twice() {
    let app = http::init_service(
        App::new()
            .route("/verify-email", web::get().to(verify_email))
            .route("/assets/{file:.*}", web::get().to(asset)),
    )
    .await;
    let answer =
        http::call_service(&app, http::TestRequest::get().uri("/verify-email?token=x").to_request()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), HTML);
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert!(header("content-security-policy").contains("default-src 'none'"));
    let tag = header("etag");

    for (given, status) in [
        (tag.clone(), StatusCode::NOT_MODIFIED),
        (format!("\"other\", W/{tag}"), StatusCode::NOT_MODIFIED),
        ("*".into(), StatusCode::NOT_MODIFIED),
        ("\"other\"".into(), StatusCode::OK),
    ] {
        let request =
            http::TestRequest::get().uri("/verify-email").insert_header(("if-none-match", given.clone()));
        let answer = http::call_service(&app, request.to_request()).await;
        assert_eq!(answer.status(), status, "{given}");
        assert_eq!(answer.headers().get("etag").unwrap().to_str().unwrap(), tag);
    }

    for (uri, status) in [
        ("/assets/app.css", StatusCode::OK),
        ("/assets/vendor/centrifuge.js", StatusCode::OK),
        ("/assets/index.html", StatusCode::NOT_FOUND),
        ("/assets/../mod.rs", StatusCode::NOT_FOUND),
        ("/assets/", StatusCode::NOT_FOUND),
    ] {
        let answer = http::call_service(&app, http::TestRequest::get().uri(uri).to_request()).await;
        assert_eq!(answer.status(), status, "{uri}");
    }
}

/// What the folder holds is compiled in, and nothing is named that it does not hold.
#[test]
fn every_file_is_listed() {
    let mut listed: BTreeSet<String> =
        FILES.iter().chain(PAGES).map(|(name, _)| (*name).to_owned()).collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/pages/assets");
    for (folder, prefix) in
        [(root.clone(), ""), (root.join("vendor"), "vendor/"), (root.join("badges"), "badges/")]
    {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
                assert!(listed.remove(&name), "{name} is in the folder and not served");
            }
        }
    }
    assert!(listed.is_empty(), "{listed:?}");
}

/// What a page or a module asks for is served here, and nothing is asked of another host.
#[test]
fn references_lead_to_files_that_exist() {
    let known: BTreeSet<&str> = FILES.iter().map(|(name, _)| *name).collect();
    for (name, source) in sources() {
        for (before, prefix) in [("\"/assets/", ""), ("from \"./", ""), ("import \"./", "")] {
            for rest in source.split(before).skip(1) {
                let target = format!("{prefix}{}", rest.split('"').next().unwrap());
                assert!(known.contains(target.as_str()), "{name} asks for {target}");
            }
        }
        for host in ["src=\"http", "href=\"http", "url(http", "from \"http", "@import"] {
            assert!(!source.contains(host), "{name} asks another host: {host}");
        }
    }
}

/// The policy forbids them, so a page that has one is broken.
#[test]
fn nothing_is_inline_and_text_never_becomes_markup() {
    for (name, source) in sources() {
        for sink in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"]
        {
            assert!(!source.contains(sink), "{name} uses {sink}");
        }
        if name.ends_with(".html") {
            for part in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
                assert!(!source.contains(part), "{name} has {part}");
            }
            let scripts = source.matches("<script").count();
            assert_eq!(
                scripts,
                source.matches("<script src=\"/assets/").count(),
                "{name} has an inline script"
            );
        }
    }
}

/// With objects in a bucket, browsers send to it and load from it: nothing else is added.
#[actix_web::test]
async fn the_policy_names_the_object_store() {
    let mut config = crate::config::layer("none".into(), "", std::iter::empty()).unwrap();
    config.objects.s3_bucket = Some("files".into());
    config.objects.s3_endpoint = Some("https://store.example:9000/".parse().unwrap());
    config.objects.s3_path_style = false;
    config.objects.media_base_url = Some("https://cdn.example/".parse().unwrap());
    let app =
        http::init_service(App::new().app_data(web::Data::new(config)).route("/", web::get().to(index)))
            .await;
    let answer = http::call_service(&app, http::TestRequest::get().uri("/").to_request()).await;
    let policy = answer.headers().get("content-security-policy").unwrap().to_str().unwrap();
    assert!(
        policy.contains("media-src 'self' https://files.store.example:9000 https://cdn.example;"),
        "{policy}"
    );
    assert!(policy.contains("connect-src 'self' https://files.store.example:9000"), "{policy}");
    assert!(policy.contains("script-src 'self';"), "{policy}");
}
