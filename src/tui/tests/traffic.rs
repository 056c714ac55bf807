//! Plans that move traffic, as they are seen at the size that matters.

use crate::model::name::{Kind, ObjectPath, Origin, Target};
use crate::model::plan::{Blast, Ends, Fact, FieldChange, Permission, Plan, Preview, Request, Room, Share, Tier};
use crate::session::PlanView;
use crate::text::Safe;
use crate::tui::fixture::{Fixture, plan};
use crate::tui::screen::Options;
use crate::tui::snapshot::{Format, Shot, of};

fn shot(shown: Plan, blocked: Option<&str>) -> String {
    let mut fixture = Fixture::burning();
    fixture.plan = Some(PlanView::Shown { plan: Box::new(shown), blocked: blocked.map(Safe::from) });
    let options = Options::shipped().unwrap();
    of(&fixture.scene(), Shot { size: (80, 24), pane: None, zoom: false, format: Format::Text }, &options).unwrap()
}

fn fact(label: &'static str, words: &str, warns: bool) -> Fact {
    Fact { label: Safe::fixed(label), words: words.into(), warns }
}

fn target(kind: Kind, name: &str) -> Target {
    let origin = Origin { env: "prod-eu".into(), source: "kubernetes".into() };
    Target { origin, kind, path: ObjectPath::new("payments", name), uid: Some("u".into()) }
}

fn moving(target: Target, request: Request, changes: Vec<FieldChange>) -> Plan {
    Plan {
        title: Safe::from(format!(
            "{} {} {}",
            if target.kind == Kind::Service { "switch" } else { "divert" },
            target.kind,
            target.path.name
        )),
        target,
        request,
        changes,
        owners: Vec::new(),
        room: Room::NotNeeded,
        load: Some("requests 96/s; errors 31 %; p99 9.8 s".into()),
        permission: Permission::Allowed,
        preview: Preview::Accepted,
        ends: Ends::Reminder,
        ..plan(12, Tier::Lowers)
    }
}

/// What `divert payments partner-b=40` comes to.
pub(super) fn diversion() -> Plan {
    let target = target(Kind::VirtualService, "partner");
    let change = |at: usize, label: &str, before: u32, after: u32| {
        let entry = |weight: u32| format!(r#"{{"destination":{{"host":"{label}"}},"weight":{weight}}}"#);
        FieldChange {
            pointer: Safe::from(format!("/spec/http/0/route/{at}")),
            label: label.into(),
            before: entry(before).into(),
            after: entry(after).into(),
            words: Some(Safe::from(format!("{before} % → {after} %"))),
        }
    };
    let shares = vec![Share { destination: "partner-b".into(), weight: 40 }];
    let request = Request::Divert { target: target.clone(), shares };
    Plan {
        undo: Some("partner-a 60 % → 100 %, partner-b 40 % → 0 %, while nobody else has changed it".into()),
        blast: Blast {
            ready_before: 3,
            wanted_after: 5,
            words: "40 % of the traffic moves; 3 ready pods carry it now, 5 will".into(),
        },
        facts: vec![
            fact("traffic", "now partner-a 100 %, partner-b 0 %; then partner-a 60 %, partner-b 40 %", false),
            fact("capacity", "partner-b: 2 ready pods for 40 %, 20 % each; a pod carries 33.3 % of it now", false),
        ],
        command: "kubectl --context prod-eu -n payments patch virtualservices.networking.istio.io/partner --type=json -p \
                  '[{\"op\":\"test\",\"path\":\"/spec/http/0/route/0/weight\",\"value\":100},{\"op\":\"replace\",\"path\":\
                  \"/spec/http/0/route/0/weight\",\"value\":60},{\"op\":\"test\",\"path\":\"/spec/http/0/route/1/weight\",\
                  \"value\":0},{\"op\":\"replace\",\"path\":\"/spec/http/0/route/1/weight\",\"value\":40}]'"
            .into(),
        ..moving(target, request, vec![change(0, "partner-a", 100, 60), change(1, "partner-b", 0, 40)])
    }
}

fn switching() -> Plan {
    let target = target(Kind::Service, "payments");
    let request = Request::Switch { target: target.clone(), key: "color".into(), to: "green".into() };
    let change = FieldChange {
        pointer: "/spec/selector/color".into(),
        label: "color".into(),
        before: "\"blue\"".into(),
        after: "\"green\"".into(),
        words: Some("blue → green".into()),
    };
    Plan {
        undo: Some("color green → blue, while nobody else has changed it and blue has ready pods".into()),
        blast: Blast {
            ready_before: 6,
            wanted_after: 6,
            words: "all new connections move; those that are open stay where they are".into(),
        },
        facts: vec![
            fact("traffic", "now blue 100 %; then green 100 %", false),
            fact("capacity", "green has 6 ready pods for 100 %; blue has 6 ready pods", false),
        ],
        command:
            "kubectl --context prod-eu -n payments patch services/payments --type=json -p '[{\"op\":\"test\",\"path\":\
                  \"/spec/selector/color\",\"value\":\"blue\"},{\"op\":\"replace\",\"path\":\"/spec/selector/color\",\
                  \"value\":\"green\"}]'"
                .into(),
        ..moving(target, request, vec![change])
    }
}

#[test]
fn a_diversion_at_80_by_24() {
    insta::assert_snapshot!(shot(diversion(), None));
}

#[test]
fn a_switch_at_80_by_24() {
    insta::assert_snapshot!(shot(switching(), None));
}
