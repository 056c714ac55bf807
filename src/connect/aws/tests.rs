//! What holds for all of AWS: who we are, what we may not do, and what failures are told as.

use serde_json::{Value, json};

use super::failure::Failure;
use super::harness::{Fake, access, error};
use super::*;

async fn alarms_error(access: AwsAccess, drill: bool) -> SourceError {
    let (source, _) = Alarms::new(Account::new(access, drill));
    crate::connect::harness::Running::start(source).end().await.0.unwrap_err()
}

#[tokio::test]
async fn we_know_who_we_are() {
    let arn = "arn:aws:sts::111122223333:assumed-role/oncall/ana";
    let answer = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{arn}</Arn><UserId>A:ana</UserId><Account>111122223333</Account></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>"
    );
    let (fake, access) = Fake::start(move |_, _| (200, json!(answer))).await;
    assert_eq!(identity(&access).await, Some(Safe::from(arn)));
    assert_eq!(fake.calls()[0].0, "GetCallerIdentity");
    fake.now(|_, _| {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>x</Message></Error>\
                     <RequestId>1</RequestId></ErrorResponse>";
        (403, json!(error))
    });
    assert_eq!(identity(&access).await, None);
}

#[tokio::test]
async fn what_is_not_a_read_is_never_sent() {
    let (fake, access) = Fake::start(|_, _| (200, json!({}))).await;
    let account = Account::new(access, true);
    let client = account.cloudwatch().await.unwrap();
    let write = client.sdk.disable_alarm_actions().alarm_names("a").send().await.unwrap_err();
    let Failure::Fault(why) = failure::explain("x", &write, &client.place, &client.login) else { panic!("{write:?}") };
    assert!(why.contains("DisableAlarmActions is not among the operations"), "{why}");
    let client = account.logs().await.unwrap();
    assert!(client.sdk.delete_log_group().log_group_name("g").send().await.is_err());
    let client = account.sts().await.unwrap();
    assert!(client.sdk.get_session_token().send().await.is_err(), "nor a read that nobody needs");
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn a_drill_finds_nothing_but_its_own_servers() {
    let with = |change: fn(&mut AwsAccess)| {
        let mut access = access("http://127.0.0.1:9");
        change(&mut access);
        access
    };
    for (access, told) in [
        (with(|access| access.endpoints.clear()), "a drill needs an endpoint on this machine for cloudwatch"),
        (
            with(|access| _ = access.endpoints.insert("cloudwatch".into(), "https://monitoring.amazonaws.com".into())),
            "not on this machine",
        ),
        (
            with(|access| access.credentials = AwsCredentials::Ambient { profile: None }),
            "a drill uses no credentials of this machine",
        ),
    ] {
        let SourceError::Fatal(why) = alarms_error(access, true).await else { panic!("{told}") };
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn signed_requests_do_not_travel_in_clear() {
    let mut access = access("http://127.0.0.1:9");
    access.credentials = AwsCredentials::Ambient { profile: None };
    assert_eq!(Account::new(access.clone(), false).endpoint("sts").unwrap().as_deref(), Some("http://127.0.0.1:9"));
    access.endpoints.insert("sts".into(), "http://sts.corp".into());
    let error = Account::new(access.clone(), false).endpoint("sts").unwrap_err();
    assert!(error.to_string().contains("in clear"), "{error}");
    access.endpoints.insert("sts".into(), "https://sts.corp".into());
    assert_eq!(Account::new(access, false).endpoint("sts").unwrap().as_deref(), Some("https://sts.corp"));
}

#[tokio::test]
async fn failures_say_what_to_do() {
    let (fake, access) = Fake::start(|_, _| error("ExpiredToken", "The security token\u{1b}[2J has expired")).await;
    let SourceError::Denied(why) = alarms_error(access.clone(), true).await else { panic!() };
    assert!(
        why.starts_with("reading alarms of CloudWatch: the AWS credentials have expired (ExpiredToken: The security token has expired); "),
        "{why}"
    );
    fake.now(|_, _| error("AccessDenied", "User: ana is not authorized"));
    let SourceError::Denied(why) = alarms_error(access.clone(), true).await else { panic!() };
    assert!(why.contains("ask for a role"), "{why}");
    fake.now(|_, _| error("Throttling", "Rate exceeded"));
    fake.calls();
    let SourceError::Retry { why, .. } = alarms_error(access.clone(), true).await else { panic!() };
    assert!(why.contains("Rate exceeded"), "{why}");
    assert_eq!(fake.calls().len(), 3, "a read is tried twice more at once");
    for (code, message, told) in [
        ("ThrottlingException", "Rate exceeded", "throttled ("),
        ("LimitExceededException", "15 sessions", "throttled ("),
        ("InvalidSignatureException", "Credential should be scoped to a valid region.", "another region's ("),
        ("UnrecognizedClientException", "invalid", "does not accept the credentials ("),
        ("InvalidOperationException", "not for this log class", "the request was refused ("),
    ] {
        fake.now(move |_, _| error(code, message));
        let client = Account::new(access.clone(), true).logs().await.unwrap();
        let asked = client.sdk.start_live_tail().log_group_identifiers("arn").send().await.unwrap_err();
        let failure = failure::explain("tailing x", &asked, &client.place, &client.login);
        assert!(failure.sentence().contains(told), "{failure:?}");
    }
    fake.now(|_, _| (200, json!("<html>login</html>")));
    let SourceError::Retry { why, .. } = alarms_error(access, true).await else { panic!() };
    assert!(why.contains("not what its API promises"), "{why}");
    let nobody = crate::port_under_test::Port::new();
    let SourceError::Retry { why, .. } = alarms_error(harness::access(&nobody.url()), true).await else { panic!() };
    assert!(why.contains("no connection"), "{why}");
}

#[tokio::test]
async fn after_a_refusal_the_configuration_is_loaded_anew() {
    let (fake, access) = Fake::start(|_, _| error("ExpiredToken", "x")).await;
    let account = Account::new(access, true);
    account.cloudwatch().await.unwrap();
    assert!(account.session.lock().await.is_some());
    let (source, _) = Alarms::new(Arc::clone(&account));
    crate::connect::harness::Running::start(source).end().await.0.unwrap_err();
    assert!(account.session.lock().await.is_none(), "somebody may have logged in");
    fake.now(|_, _: &Value| (200, json!({"MetricAlarms": []})));
    let (source, _) = Alarms::new(account);
    crate::connect::harness::Running::start(source).until_live().await;
}
