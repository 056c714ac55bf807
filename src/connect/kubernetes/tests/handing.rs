//! What was not handed over is read again: a run may end while it waits for room.

use tokio::sync::{mpsc, watch};

use serde_json::{Value, json};

use crate::clock::{Clock, Hold, World};
use crate::connect::kubernetes::lane::Out;
use crate::connect::kubernetes::nodes::Nodes;
use crate::model::signal::{Delta, Signal};

use super::server::{Asked, Fake, JSON, Reply, Streams};
use super::{Sink, context, reach, sink};

/// A sink that has room while it is open, and says who waits for it.
#[derive(Clone)]
struct Door {
    sink: Sink,
    knocks: mpsc::UnboundedSender<()>,
    open: watch::Receiver<bool>,
}

impl Out for Door {
    async fn room(&self) {
        let _ = self.knocks.send(());
        let _ = self.open.clone().wait_for(|open| *open).await;
    }

    async fn send(&self, signals: Vec<(World, Signal)>, hold: Hold) {
        self.sink.send(signals, hold).await;
    }
}

fn node(name: &str, version: &str) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": version}})
}

fn names(signal: Signal) -> Option<Vec<String>> {
    match signal {
        Signal::Nodes(Delta::All(nodes)) => Some(nodes.iter().map(|node| format!("all {}", node.name)).collect()),
        Signal::Nodes(Delta::Upsert(nodes)) => Some(nodes.iter().map(|node| node.name.to_string()).collect()),
        _ => None,
    }
}

#[tokio::test]
async fn what_was_not_handed_over_when_a_run_ended_is_read_by_the_next() {
    let (streams, senders) = Streams::new(2);
    let fake = Fake::serve(move |asked| {
        if asked.watches() {
            return streams.reply(JSON);
        }
        let list = json!({"metadata": {"resourceVersion": "5"}, "items": [node("a", "4")]});
        Reply::Whole(200, JSON, list.to_string().into_bytes())
    })
    .await;
    let reached = reach(&fake.url);
    let (cx, _follow) = context(&Clock::real());
    let (sink, mut said) = sink();
    let (opener, open) = watch::channel(false);
    let (knocks, mut knocked) = mpsc::unbounded_channel();
    let out = Door { sink, knocks, open };
    let mut source = Nodes::new(std::sync::Arc::clone(&reached.cluster));

    tokio::select! {
        end = source.read(&cx, &out) => panic!("{end:?}"),
        _ = knocked.recv() => {}
    }
    // The list waited for room and never had it. The next run has, up to when a change comes.
    opener.send_replace(true);
    let changed = json!({"type": "ADDED", "object": node("b", "6")}).to_string() + "\n";
    let script = async {
        assert_eq!(said.find(|_, signal| names(signal)).await, ["all a"]);
        while !fake.asked().iter().any(Asked::watches) {
            tokio::task::yield_now().await;
        }
        opener.send_replace(false);
        while knocked.try_recv().is_ok() {}
        senders[0].send(changed.clone().into_bytes()).unwrap();
        knocked.recv().await
    };
    tokio::select! {
        end = source.read(&cx, &out) => panic!("{end:?}"),
        _ = script => {}
    }
    opener.send_replace(true);
    senders[1].send(changed.into_bytes()).unwrap();
    tokio::select! {
        end = source.read(&cx, &out) => panic!("{end:?}"),
        told = said.find(|_, signal| names(signal)) => assert_eq!(told, ["b"]),
    }
    let watches: Vec<_> = fake.asked().into_iter().filter(Asked::watches).collect();
    assert!(watches.iter().all(|asked| asked.query.contains("resourceVersion=5")), "{watches:?}");
}
