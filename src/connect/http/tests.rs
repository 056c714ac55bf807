//! Servers that behave in every way they do, and one that does not.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, header};
use axum::routing::get;

use super::*;
use crate::clock::Clock;
use crate::config::{Auth, Secret};
use crate::connect::harness::{self, serve};

const ALLOWED: Allowed = &[(Method::GET, "/api/read")];

fn access(url: &str, auth: Option<Auth>) -> HttpAccess {
    harness::tls();
    let every = Duration::from_secs(15);
    HttpAccess { name: "it".into(), url: url.into(), auth, ca_file: None, proxy: true, every }
}

async fn read(url: &str, auth: Option<Auth>) -> Result<Answer, SourceError> {
    Reader::new("Server", &access(url, auth), true, ALLOWED).await?.get("/api/read", &[("q", "a b&c")]).await
}

fn secret(text: &str) -> Secret {
    Secret::Command(vec!["echo".into(), text.into()])
}

fn answers(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> Router {
    let headers: Vec<_> = headers.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    Router::new().fallback(move || {
        let mut response = Response::builder().status(status);
        for (key, value) in &headers {
            response = response.header(*key, value);
        }
        let response = response.body(Body::from(body)).unwrap();
        async move { response }
    })
}

#[tokio::test]
async fn a_request_carries_its_query_and_its_credentials_below_the_base_path() {
    let echo = |request: Request| async move {
        let auth = request.headers().get(header::AUTHORIZATION).map(|v| v.to_str().unwrap().to_owned());
        axum::Json(serde_json::json!([request.uri().to_string(), auth]))
    };
    let url = serve(Router::new().route("/below/api/read", get(echo))).await + "/below";
    for (auth, expected) in [
        (None, None),
        (Some(Auth::Bearer(secret("glsa_1"))), Some("Bearer glsa_1")),
        (Some(Auth::Basic { user: "ana".into(), password: secret("pw") }), Some("Basic YW5hOnB3")),
    ] {
        let (uri, sent): (String, Option<String>) = read(&url, auth).await.unwrap().json().unwrap();
        assert_eq!(uri, "/below/api/read?q=a+b%26c");
        assert_eq!(sent.as_deref(), expected);
    }
}

#[tokio::test]
async fn refusals_say_what_to_do_and_show_no_password() {
    let url = serve(answers(401, &[], "<b>no\u{1b}[2J</b>")).await.replace("http://", "http://u:hunter2@");
    let Err(SourceError::Denied(why)) = read(&url, None).await else { panic!() };
    assert!(why.contains("401 Unauthorized: <b>no</b>; give it credentials"), "{why}");
    assert!(why.starts_with("reading http://127.0.0.1:") && !why.contains("hunter2"), "{why}");
    let Err(SourceError::Denied(why)) = read(&url, Some(Auth::Bearer(secret("x")))).await else { panic!() };
    assert!(why.contains("renew them"), "{why}");
    let url = serve(answers(403, &[], "")).await;
    let Err(SourceError::Denied(why)) = read(&url, None).await else { panic!() };
    assert!(why.contains("403 Forbidden: an empty body; the credentials lack the permission"), "{why}");
    let Err(SourceError::Denied(why)) =
        read(&url, Some(Auth::Bearer(Secret::Env("WARROOM_TEST_NO_SUCH_VARIABLE".into())))).await
    else {
        panic!()
    };
    assert!(why.contains("is not set"), "{why}");
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_again_in_either_form() {
    let url = serve(answers(429, &[("retry-after", "7")], "slow down")).await;
    let Err(SourceError::Retry { why, after }) = read(&url, None).await else { panic!() };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert!(why.contains("429") && why.contains("slow down"), "{why}");
    let date = (Clock::real().now() + chrono::TimeDelta::seconds(90)).to_rfc2822();
    let url = serve(answers(503, &[("retry-after", &date)], "")).await;
    let Err(SourceError::Retry { after: Some(after), .. }) = read(&url, None).await else { panic!() };
    assert!((60..=90).contains(&after.as_secs()), "{after:?}");
    let url = serve(answers(503, &[("retry-after", "soon")], "")).await;
    let Err(SourceError::Retry { after: None, .. }) = read(&url, None).await else { panic!() };
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_taken_whether_it_says_so_or_not() {
    let endless = || async {
        let chunk = axum::body::Bytes::from(vec![b' '; 1024 * 1024]);
        let chunks = futures::stream::repeat(chunk).map(Ok::<_, std::convert::Infallible>);
        Body::from_stream(chunks)
    };
    use futures::StreamExt as _;
    let honest = || async { vec![b' '; answer::LARGEST + 1] };
    for router in [Router::new().route("/api/read", get(endless)), Router::new().route("/api/read", get(honest))] {
        let Err(SourceError::Retry { why, .. }) = read(&serve(router).await, None).await else { panic!() };
        assert!(why.contains("larger than 16 MiB"), "{why}");
    }
}

#[tokio::test]
async fn garbage_becomes_a_sentence_without_escape_sequences() {
    let url = serve(answers(200, &[], "\u{1b}]0;owned\u{7}<html>\u{202e}Login</html>")).await;
    let Err(SourceError::Retry { why, .. }) = read(&url, None).await.unwrap().json::<Vec<u8>>() else { panic!() };
    assert!(why.contains("<html><U+202E>Login</html>") && why.contains("login page"), "{why}");
    let bytes = Router::new().fallback(|| async { vec![0xff_u8, 0xfe, 0x1b, b'c', 0x00] });
    let answer = read(&serve(bytes).await, None).await.unwrap();
    assert!(answer.json::<Vec<u8>>().is_err());
}

#[tokio::test]
async fn nobody_is_followed_to_another_server_with_our_credentials() {
    let elsewhere = serve(answers(200, &[], "[]")).await;
    let to = format!("{elsewhere}/api/read?token=hunter2");
    let url = serve(answers(302, &[("location", &to)], "")).await;
    let Err(SourceError::Denied(why)) = read(&url, Some(Auth::Bearer(secret("x")))).await else { panic!() };
    assert!(why.contains(&format!("302 Found to {elsewhere}/api/read, which is not followed")), "{why}");
    let url = serve(answers(307, &[("location", "/api/write")], "")).await;
    assert!(matches!(read(&url, None).await, Err(SourceError::Denied(_))), "nor out of what it may read");
    let moved = Router::new()
        .route("/api/read", get(|| async { axum::response::Redirect::temporary("/api/read/v2") }))
        .route("/api/read/v2", get(|| async { "[1]" }));
    assert_eq!(read(&serve(moved).await, None).await.unwrap().json::<Vec<u8>>().unwrap(), [1]);
}

#[tokio::test]
async fn only_what_the_source_declared_can_be_asked() {
    let url = serve(answers(200, &[], "[]")).await;
    let reader = Reader::new("Server", &access(&url, None), true, ALLOWED).await.unwrap();
    for path in ["/api/write", "/api/reader", "/api/read/../write", "/api/read/%2e%2e/write"] {
        assert!(matches!(reader.get(path, &[]).await, Err(SourceError::Fatal(_))), "{path}");
    }
    assert!(reader.get("/api/read/more", &[]).await.is_ok());
    assert!(reader.url(&Method::POST, "/api/read").is_err());
}

#[tokio::test]
async fn a_drill_goes_nowhere_but_this_machine() {
    for url in ["http://alerts.example.com", "https://10.0.0.1:9093", "http://169.254.169.254", "http://localhost.evil"]
    {
        let error = Reader::new("Server", &access(url, None), true, ALLOWED).await.err().unwrap();
        assert!(error.to_string().contains("a drill goes nowhere else"), "{error}");
    }
    for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://127.9.9.9"] {
        assert!(Reader::new("Server", &access(url, None), true, ALLOWED).await.is_ok(), "{url}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_and_a_url_that_is_none_are_told_apart() {
    let nobody = crate::port_under_test::Port::new();
    let Err(SourceError::Retry { why, .. }) = read(&nobody.url(), None).await else { panic!() };
    assert!(why.contains("no connection") && why.contains("refused"), "{why}");
    for url in ["alerts:9093", "not a url", "ftp://127.0.0.1/"] {
        let Err(SourceError::Fatal(why)) = read(url, None).await else { panic!() };
        assert!(why.contains("https://host:port/path"), "{why}");
    }
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, "nothing").unwrap();
    let mut access = access("https://127.0.0.1:1", None);
    access.ca_file = Some(ca);
    let error = Reader::new("Server", &access, true, ALLOWED).await.err().unwrap();
    assert!(error.to_string().contains("ca.pem failed: it holds no certificate"), "{error}");
}
