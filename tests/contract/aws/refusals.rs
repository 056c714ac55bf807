//! What a server that checks signatures and policies says no to.

use warroom::model::signal::SourceState;

use crate::kit::{Session, said};

use super::side::Real;

/// ministack with `AUTH=true`, and a user without any policy. It does not look at what comes as CBOR,
/// so CloudWatch's alarms are not refused there.
pub(super) async fn credentials_that_are_refused_are_told_in_a_sentence(side: Real) {
    let url = said("WARROOM_REAL_MINISTACK_AUTH");
    let folder = tempfile::tempdir().unwrap();
    let keys = side.boto(
        "iam = boto3.client('iam', endpoint_url=os.environ['WARROOM_REAL_MINISTACK_AUTH'], region_name='us-east-1')\n\
         iam.create_user(UserName=sys.argv[1])\n\
         key = iam.create_access_key(UserName=sys.argv[1])['AccessKey']\n\
         print(key['AccessKeyId'], key['SecretAccessKey'])\n",
        &[&crate::kit::unique("ana")],
    );
    let (id, secret) = keys.trim().split_once(' ').unwrap();
    for (id, secret, told) in [
        (id, secret, "not permitted ("),
        (id, "wrong", "AWS does not accept the credentials ("),
        ("AKIAXXXXXXXXXXXXXXXX", "none", "AWS does not accept the credentials ("),
    ] {
        // The environment's own key would be taken first, so the process prints it.
        let printed = folder.path().join("credentials");
        let json = serde_json::json!({"Version": 1, "AccessKeyId": id, "SecretAccessKey": secret});
        std::fs::write(&printed, json.to_string()).unwrap();
        let config = side.config_as(&printed, &url);
        let mut session = Session::start(&config);
        for source in ["cloudwatch-logs"] {
            let denied = |s: &Session| {
                s.links.get(source).and_then(|all| {
                    all.iter().find_map(|state| match state {
                        SourceState::Denied { why } => Some(why.to_string()),
                        _ => None,
                    })
                })
            };
            session.until(&format!("{source} is denied: {told}"), |s| denied(s).is_some()).await;
            let why = denied(&session).unwrap();
            assert!(why.contains(told), "{why}");
            assert!(!why.contains(secret) || secret == "none", "{why}");
        }
        session.end().await;
    }
}
