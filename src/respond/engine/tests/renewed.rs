//! A plan that grew old is read again in place: it is the same plan, unless a field that it writes has
//! moved or it takes more than before.

use super::promises::each;
use super::*;
use crate::config::Rule;

#[tokio::test]
async fn every_expired_plan_is_renewed_in_place_and_only_what_it_writes_or_a_raised_tier_voids_it() {
    each(async |action| {
        let name = action.name;
        let server = action.start().await;
        let (room, pad) = (room(&*server), Pad::of(&*server));
        let old = room.plan(&action.want()).await;
        drop(room.clock.due(old.expires_at + TimeDelta::seconds(1)).await);
        let why = room.let_apply(old.clone(), &pad).await.expect_err(name).why;
        assert!(why.contains("refresh the plan"), "{name}: {why}");
        let new = room.plan(&action.want()).await;
        assert_eq!(Engine::voided(&old, &new), None, "{name}: {} and {}", old.changed(), new.changed());
        assert!(new.id != old.id && new.expires_at > old.expires_at, "{name}");

        let two = Room::under(&*server, vec![tiers::policy("two", Rule::SecondPerson)]);
        let raised = two.plan(&action.want()).await;
        let why = Engine::voided(&new, &raised);
        let more = (new.tier < Tier::Grave).then_some("it takes more confirmation than before");
        assert_eq!(why.as_deref(), more, "{name}");
        assert_eq!(Engine::voided(&raised, &new), None, "{name}: it takes less");

        if !action.makes {
            action.edit(&server);
            // One that cannot be made at all any more takes the place of the old one, too.
            if let Ok(moved) = room.try_plan(&action.want()).await {
                let why = Engine::voided(&new, &moved);
                assert!(why.is_some(), "{name}: {} and {}", new.changed(), moved.changed());
            }
        }
        assert!(pad.kinds().is_empty() && server.writes().is_empty(), "{name}");
    })
    .await;
}
