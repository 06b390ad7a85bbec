//! Pictures and documents of projects, on a running server: taken safely, shown to whom the project is shown.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};

use crate::tests::{
    privacy::person::{PASSWORD, if_match, send},
    support::{api::Api, app::TestApp},
};

pub(super) async fn person(app: &TestApp, name: &str) -> (Api, String) {
    let open = Api::new(app.base(), None);
    let email = format!("{name}@example.org");
    let form = json!({ "email": email, "password": PASSWORD, "display_name": name, "role": "student" });
    let made = open.post("/api/v1/auth/register", &form).await.expect(201);
    let session = json!({ "email": email, "password": PASSWORD });
    let session = open.post("/api/v1/auth/sessions", &session).await.expect(201);
    (Api::new(app.base(), session["token"].as_str()), made["user"]["id"].as_str().unwrap().to_owned())
}

async fn upload(api: &Api, media_type: &str, body: Vec<u8>) -> String {
    let form = json!({ "name": "a file", "media_type": media_type, "size": body.len() });
    let begun = api.post("/api/v1/uploads", &form).await.expect(201);
    assert_eq!(send(&begun["put"], body).await, 200);
    let id = begun["id"].as_str().unwrap().to_owned();
    api.post(&format!("/api/v1/uploads/{id}/complete"), &json!({})).await.expect(200);
    id
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let pixels = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(pixels).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

async fn bytes(url: &str, token: Option<&str>) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut request = awc::Client::new().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let mut answer = request.send().await.unwrap();
    let headers =
        answer.headers().iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
    (answer.status().as_u16(), headers, answer.body().limit(64 << 20).await.unwrap().to_vec())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[actix_web::test]
async fn projects_show_pictures_that_were_made_anew_and_documents_as_they_came() {
    let app = TestApp::start(&[]).await;
    let (ann, _) = person(&app, "ann").await;
    let (ben, _) = person(&app, "ben").await;
    let profile = json!({ "slug": "ann-with-pictures", "visibility": "public" });
    if_match(&ann, "PUT", "/api/v1/me/profile", 0, &profile).await;
    let project = ann.post("/api/v1/me/projects", &json!({ "title": "A boat" })).await.expect(201);
    let path = format!("/api/v1/me/projects/{}/artifacts", project["id"].as_str().unwrap());

    let mut photo = picture(900, 600, ImageFormat::Jpeg);
    photo.extend(b"<script>hidden behind the picture</script>");
    let source = upload(&ann, "image/jpeg", photo).await;
    let form = json!({ "upload_id": source, "alt": "A boat at sea" });
    let key = [("idempotency-key", "picture-1")];
    let made = ann.try_with("POST", &path, &key, Some(&form)).await.unwrap().expect(201);
    assert_eq!((&made["kind"], &made["width"], &made["height"]), (&json!("image"), &json!(900), &json!(600)));
    let again = ann.try_with("POST", &path, &key, Some(&form)).await.unwrap().expect(201);
    assert_eq!(again["id"], made["id"]);
    assert_eq!(
        ann.get(&format!("/api/v1/uploads/{source}")).await.json["state"],
        "deleted",
        "EXIF went with it"
    );
    let pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n".to_vec();
    let document = upload(&ann, "application/pdf", pdf.clone()).await;
    let document = ann.post(&path, &json!({ "upload_id": document })).await.expect(201);

    // Whoever sees the page sees them, without an account.
    let open = Api::new(app.base(), None);
    let page = open.get("/p/ann-with-pictures").await;
    assert!(page.text.contains(made["thumbnail_url"].as_str().unwrap()), "{}", page.text);
    assert!(page.text.contains("alt=\"A boat at sea\""));
    let url = |view: &Value, field: &str| format!("{}{}", app.base(), view[field].as_str().unwrap());
    for (field, most) in [("url", 900), ("thumbnail_url", 480)] {
        let (status, headers, body) = bytes(&url(&made, field), None).await;
        assert_eq!((status, header(&headers, "content-type")), (200, "image/jpeg"));
        assert_eq!(header(&headers, "x-content-type-options"), "nosniff");
        assert!(header(&headers, "content-disposition").starts_with("inline"));
        assert!(!body.windows(6).any(|part| part == b"hidden"));
        let read = image::load_from_memory(&body).unwrap();
        assert_eq!(read.width(), most);
    }
    let (status, headers, body) = bytes(&url(&document, "url"), None).await;
    assert_eq!((status, header(&headers, "content-type"), body), (200, "application/pdf", pdf));
    assert!(header(&headers, "content-disposition").starts_with("attachment"));
    assert_eq!(header(&headers, "content-security-policy"), "sandbox; default-src 'none'");
    open.get(&format!("{}/thumbnail", document["url"].as_str().unwrap())).await.expect_problem(404);

    // The portfolio as a document, for whoever sees it.
    let resume = format!("{}/api/v1/portfolios/ann-with-pictures/resume", app.base());
    let (status, headers, body) = bytes(&resume, None).await;
    assert_eq!((status, header(&headers, "content-type")), (200, "application/pdf"));
    assert!(
        body.starts_with(b"%PDF-")
            && header(&headers, "content-disposition").contains("ann-with-pictures.pdf")
    );
    assert_eq!(bytes(&format!("{}/api/v1/portfolios/nobody/resume", app.base()), None).await.0, 404);

    // Their order; others may not touch them; a hidden project hides them.
    let ids = json!({ "ids": [document["id"], made["id"]] });
    let sorted = ann.call("PUT", &path, Some(&ids)).await.expect(200);
    assert_eq!(sorted["items"][0]["id"], document["id"]);
    ann.call("PUT", &path, Some(&json!({ "ids": [made["id"]] }))).await.expect_problem(422);
    ben.call("PUT", &path, Some(&ids)).await.expect_problem(404);
    ben.call("DELETE", &format!("{path}/{}", made["id"].as_str().unwrap()), None).await.expect_problem(404);
    let theirs = upload(&ben, "application/pdf", b"%PDF-1.4 %%EOF".to_vec()).await;
    ann.post(&path, &json!({ "upload_id": theirs })).await.expect_problem(422);
    let hidden = json!({ "title": "A boat", "visibility": "private" });
    let own = format!("/api/v1/me/projects/{}", project["id"].as_str().unwrap());
    if_match(&ann, "PUT", &own, 1, &hidden).await;
    assert_eq!(bytes(&url(&made, "url"), None).await.0, 404);
    ben.get(made["url"].as_str().unwrap()).await.expect_problem(404);
    assert_eq!(ann.get(made["url"].as_str().unwrap()).await.status, 200);

    // Taken away, its bytes go, too.
    ann.call("DELETE", &format!("{path}/{}", made["id"].as_str().unwrap()), None).await.expect(204);
    ann.get(made["url"].as_str().unwrap()).await.expect_problem(404);
    ann.call("DELETE", &own, None).await.expect(204);
    ann.get(document["url"].as_str().unwrap()).await.expect_problem(404);
    app.stop().await;
}

#[actix_web::test]
async fn hostile_files_are_refused_and_nothing_is_kept_of_them() {
    let app = TestApp::start(&[]).await;
    let (ann, _) = person(&app, "ann").await;
    let project = ann.post("/api/v1/me/projects", &json!({ "title": "A boat" })).await.expect(201);
    let path = format!("/api/v1/me/projects/{}/artifacts", project["id"].as_str().unwrap());
    // A script in a picture's clothes is no upload at all, whatever it calls itself.
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let form = json!({ "name": "x.svg", "media_type": "image/svg+xml", "size": svg.len() });
    ann.post("/api/v1/uploads", &form).await.expect_problem(422);
    let form = json!({ "name": "x.png", "media_type": "image/png", "size": svg.len() });
    let begun = ann.post("/api/v1/uploads", &form).await.expect(201);
    assert_eq!(send(&begun["put"], svg).await, 200);
    let completing = format!("/api/v1/uploads/{}/complete", begun["id"].as_str().unwrap());
    ann.post(&completing, &json!({})).await.expect_problem(422);
    // What passes for a picture by its first bytes.
    let mut bomb = picture(1, 1, ImageFormat::Png);
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let zip = {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.extend(b"PK\x03\x04 and a page <html>");
        bytes
    };
    let mut torn = picture(300, 300, ImageFormat::Jpeg);
    torn.truncate(200);
    for (media_type, body) in [
        ("image/png", bomb),
        ("image/png", zip),
        ("image/jpeg", torn),
        ("image/gif", b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\0;".to_vec()),
        ("application/pdf", b"%PDF-1.4 and no end".to_vec()),
        ("text/plain", b"plain".to_vec()),
    ] {
        let upload = upload(&ann, media_type, body).await;
        let refused = ann.post(&path, &json!({ "upload_id": upload })).await;
        refused.expect_problem(422);
        assert_eq!(refused.json["errors"][0]["pointer"], "/upload_id", "{}", refused.text);
        // It is still its owner's, to look at and to remove.
        assert_eq!(ann.get(&format!("/api/v1/uploads/{upload}")).await.json["state"], "ready");
    }
    let own = ann.get("/api/v1/me/profile").await.expect(200);
    assert_eq!(own["projects"][0]["artifacts"], json!([]));
    app.stop().await;
}
