//! STS in its query protocol: who we are.

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::aws::request_id;
use super::form::Form;

/// Answers a query request: `GetCallerIdentity`, and nothing else.
pub(super) fn answer(world: &Shared, body: &Bytes) -> Response {
    let form = Form::of(None, body);
    let world = world.lock();
    let (account, user) = (&world.scenario().file.account, &world.scenario().file.user);
    let id = request_id();
    let (status, xml) = match form.get("Action") {
        Some("GetCallerIdentity") => (
            StatusCode::OK,
            format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <GetCallerIdentityResult><Arn>arn:aws:sts::{account}:assumed-role/on-call/{}</Arn>\
                 <UserId>AROADRILLDRILLDRILL:{}</UserId><Account>{}</Account></GetCallerIdentityResult>\
                 <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
                escaped(user),
                escaped(user),
                escaped(account),
            ),
        ),
        other => (
            StatusCode::BAD_REQUEST,
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                 <Code>InvalidAction</Code><Message>this drill does not serve {}</Message></Error>\
                 <RequestId>{id}</RequestId></ErrorResponse>",
                escaped(other.unwrap_or("a request without an action")),
            ),
        ),
    };
    (status, [(header::CONTENT_TYPE, "text/xml")], xml).into_response()
}

fn escaped(text: &str) -> String {
    text.chars()
        .take(200)
        .flat_map(|c| match c {
            '<' => "&lt;".chars().collect::<Vec<_>>(),
            '>' => "&gt;".chars().collect(),
            '&' => "&amp;".chars().collect(),
            c if c.is_control() => Vec::new(),
            c => vec![c],
        })
        .collect()
}
