//! Alarms: all pages of them, what becomes of them, and what became of them before.

use chrono::TimeDelta;
use warroom::model::alert::AlertState;
use warroom::model::entry::EntryKind;

use crate::kit::Session;

use super::side::Side;

pub(super) async fn alarms_page_change_state_and_have_a_history(mut side: impl Side) {
    let alarms = side.alarms().await;
    assert!(alarms.count > 100, "more than one page");
    let config = side.config("", "[]");
    let mut session = Session::start_by(&config, side.clock());
    let without_data = |session: &Session| {
        if let Some(name) = &alarms.silent {
            assert_eq!(session.states.get(name), Some(&AlertState::NoData));
        }
    };
    session.until("all pages", |s| s.alerts == alarms.count).await;
    without_data(&session);
    for name in &alarms.end {
        session.until(&format!("{name} fires at first"), |s| s.count(EntryKind::AlertFiring, name) == 1).await;
    }
    side.change().await;
    for name in &alarms.fire {
        session.until(&format!("{name} fires"), |s| s.count(EntryKind::AlertFiring, name) == 1).await;
    }
    for name in &alarms.end {
        session.until(&format!("{name} ends"), |s| s.count(EntryKind::AlertResolved, name) == 1).await;
    }
    for name in alarms.fire.iter().chain(&alarms.end) {
        assert_eq!(session.count(EntryKind::AlertFiring, name), 1, "{name}");
    }
    without_data(&session);
    session.end().await;

    // The past ends before now, and now may be the moment of the last change.
    let clock = side.clock();
    drop(clock.due(clock.now() + TimeDelta::seconds(2)).await);
    let late = Session::after_its_past_by(&config, side.clock(), TimeDelta::minutes(30)).await;
    for name in alarms.fire.iter().chain(&alarms.end) {
        assert_eq!(late.count(EntryKind::AlertFiring, name), 1, "{name} in the past; {:?} {:?}", late.gaps, late.links);
    }
    for name in &alarms.end {
        assert_eq!(late.count(EntryKind::AlertResolved, name), 1, "{name} in the past; {:?}", late.gaps);
    }
    late.end().await;
}

pub(super) async fn the_caller_is_known(side: impl Side) {
    let config = side.config("", "[]");
    let known = warroom::connect::identity(config.environments[0].aws.as_ref().unwrap()).await.unwrap();
    assert!(known.starts_with("arn:aws:") && known.contains(&format!("::{}:", side.account())), "{known}");
}
