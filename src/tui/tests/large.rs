//! A large cluster on the screen: names before pods, and every pod in a file.

use crate::model::cluster::NamedPod;
use crate::model::command::Pane;
use crate::model::name::{Origin, SourceId};
use crate::tui::filter::Filter;
use crate::tui::fixture::Fixture;
use crate::tui::list::Keyed as _;
use crate::tui::panes::{self, Choice, Item};
use crate::tui::screen::Options;
use crate::tui::snapshot::{Format, Shot, of};

fn named(name: &str, ready: u16, status: &str) -> (Origin, NamedPod) {
    let origin = Origin { env: "prod-eu".into(), source: SourceId::from("pods") };
    let pod = NamedPod {
        namespace: None,
        name: name.into(),
        ready: Some((ready, 2)),
        status: status.into(),
        restarts: Some(4),
        age: "5d".into(),
        node: Some("node-7".into()),
    };
    (origin, pod)
}

fn reading() -> Fixture {
    let mut fixture = Fixture::quiet();
    fixture.named = vec![named("web-1", 2, "Running"), named("web-2", 0, "CrashLoopBackOff")];
    fixture
}

fn shown(fixture: &Fixture, zoom: bool, ascii: bool) -> String {
    let mut options = Options::shipped().unwrap();
    options.ascii = ascii;
    let shot = Shot { size: (120, 40), pane: Some(Pane::Workloads), zoom, format: Format::Text };
    of(&fixture.scene(), shot, &options).unwrap()
}

#[test]
fn pods_are_named_while_they_are_read() {
    let whole = shown(&reading(), true, false);
    let title = whole.lines().find(|line| line.contains("Workloads")).unwrap();
    assert!(title.contains("150 pods  reading  2 by name alone  12 hurt so far"), "{title}");
    assert!(!whole.contains("pods hurt"), "nobody knows how many are hurt\n{whole}");
    for (name, words) in [("web-1", "2/2   Running"), ("web-2", "0/2   CrashLoopBackOff")] {
        let row = whole.lines().find(|line| line.contains(name)).unwrap();
        assert!(row.contains(words) && row.contains("4 restarts 5d …") && row.contains("node-7"), "{row}");
    }
    let small = shown(&reading(), false, true);
    assert!(small.contains("web-2") && !small.contains("web-1"), "what does not look well, in a small pane\n{small}");
    assert!(small.contains("5d ..."), "in ASCII alone\n{small}");
    let read = shown(&Fixture::quiet(), true, false);
    assert!(read.contains("12 of 148 pods hurt"), "{read}");
}

#[test]
fn the_whole_pane_is_saved_with_every_field() {
    let mut fixture = Fixture::burning();
    fixture.named = vec![named("web-1", 2, "Running")];
    let scene = fixture.scene();
    let all = Choice { filter: &Filter::default(), service: None, whole: true };
    let items = panes::items(Pane::Workloads, &scene, &all);
    let table = panes::pod_table(&items);
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    let rows: Vec<_> = lines.collect();
    assert!(rows.iter().all(|row| row.len() == heads.len()), "{table}");
    let pods: usize = fixture.workloads.iter().map(|row| row.pods.len()).sum();
    assert_eq!(rows.len(), pods + 1);
    let of = |row: &[&str], head: &str| row[heads.iter().position(|other| *other == head).unwrap()].to_owned();
    let pod = &fixture.workloads.iter().find_map(|row| row.pods.first()).unwrap().pod;
    let row = rows.iter().find(|row| of(row, "NAME") == pod.path.name.as_str()).unwrap();
    assert_eq!(of(row, "NAMESPACE"), pod.path.namespace.as_str());
    assert_eq!(of(row, "READY"), format!("{}/{}", pod.ready, pod.containers));
    assert_eq!(of(row, "MEMORY_LIMIT"), pod.memory_limit.to_string());
    // Of a name alone nothing is claimed that is not known.
    let name = rows.last().unwrap();
    assert_eq!((of(name, "NAME").as_str(), of(name, "READY").as_str()), ("web-1", "2/2"));
    assert!(["NAMESPACE", "CREATED", "WORKLOAD", "CPU_LIMIT", "UID"].iter().all(|head| of(name, head).is_empty()));
}

#[test]
fn a_row_has_its_own_key_and_no_other() {
    let mut fixture = Fixture::burning();
    fixture.named = vec![named("web-1", 2, "Running")];
    let scene = fixture.scene();
    let all = Choice { filter: &Filter::default(), service: None, whole: true };
    for pane in Pane::ALL {
        let items = panes::items(pane, &scene, &all);
        let keys: Vec<_> = items.iter().map(Item::key).collect();
        for (at, item) in items.iter().enumerate() {
            let has: Vec<_> = keys.iter().map(|key| item.has(key)).collect();
            assert!(has[at], "{:?} does not know its own key", keys[at]);
            let same: Vec<_> = keys.iter().map(|key| *key == keys[at]).collect();
            assert_eq!(has, same, "{:?}", keys[at]);
        }
    }
}
