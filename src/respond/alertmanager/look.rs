//! Looking at a silence after its plan was written: by the plan's mark, or by its id.

use http::StatusCode;

use crate::clock::World;
use crate::model::name::Uid;
use crate::model::plan::{Plan, Request};
use crate::respond::Seen;
use crate::respond::http::HttpError;
use crate::text::Safe;

use super::objects::{Alert, Silence};
use super::undo::changed;
use super::{Server, mark, matchers_of};

pub(super) async fn look(server: &Server, plan: &Plan, now: World) -> Seen {
    let seen = match &plan.request {
        Request::Undo { plan: of } if plan.request.is_undo() => ended(server, plan, of).await,
        _ => made(server, plan, now).await,
    };
    seen.unwrap_or_else(|error| Seen::Unread {
        why: Safe::from(format!("could not read the silences of {}: {error}", server.name)),
    })
}

/// Whether the silence of `plan` is in force.
async fn made(server: &Server, plan: &Plan, now: World) -> Result<Seen, HttpError> {
    if plan.target.uid.as_ref().is_none_or(|uid| uid.0 != server.http.address()) {
        return Ok(Seen::Gone { why: Safe::from(format!("{} is another Alertmanager by now", server.name)) });
    }
    let mark = mark(plan);
    let silences = server.silences().await?;
    let marked: Vec<_> = silences.iter().filter(|silence| silence.bears(&mark)).collect();
    let Some(first) = marked.first() else {
        return Ok(Seen::AsBefore { words: Safe::fixed("there is no silence of this plan") });
    };
    let standing = marked.iter().find(|one| one.stands() && changed(one, plan).is_none());
    let Some(silence) = standing.or_else(|| marked.iter().find(|one| one.stands())) else {
        let over = first.ends().is_some_and(|at| at <= now) && changed(first, plan).is_none();
        return Ok(Seen::Other {
            words: Safe::from(if over {
                format!("silence {} was made and has ended at its time", first.id)
            } else {
                format!("silence {} was made and somebody ended it before its time", first.id)
            }),
        });
    };
    if let Some(why) = changed(silence, plan) {
        return Ok(Seen::Other { words: Safe::from(format!("silence {}: {why}", silence.id)) });
    }
    let until = silence.ends().map_or_else(String::new, |at| format!(" until {}", at.format("%H:%MZ")));
    if silence.status.state == "pending" {
        return Ok(Seen::Under { words: Safe::from(format!("silence {} waits for the server's clock", silence.id)) });
    }
    let alerts = server.alerts(matchers_of(plan)).await?;
    let held = alerts.iter().filter(|alert| alert.is_held_by(&silence.id)).count();
    let twice = match marked.iter().filter(|one| one.stands()).count() {
        0 | 1 => String::new(),
        more => format!("; it was delivered {more} times, and each of them has to be ended"),
    };
    let words = |rest: String| Safe::from(format!("silence {} holds{until}: {rest}{twice}", silence.id));
    Ok(match (held, alerts.len()) {
        (0, 0) => Seen::Live { words: words("no alert fires that it is about".to_owned()) },
        (held, all) if held < all => {
            Seen::Under { words: words(format!("{held} of {all} alerts are shown as silenced")) }
        }
        (1, _) => Seen::Live { words: words("1 alert is silenced".to_owned()) },
        (held, _) => Seen::Live { words: words(format!("{held} alerts are silenced")) },
    })
}

/// Whether the silence that `of` made has ended, and nothing of its kind stands in its place.
async fn ended(server: &Server, plan: &Plan, of: &Plan) -> Result<Seen, HttpError> {
    let id = plan.target.uid.as_ref().map(Uid::as_str).unwrap_or_default();
    let stands = match server.silence(id).await {
        Ok(silence) if silence.stands() => Some(silence),
        Ok(_) => None,
        // Servers forget what ended long ago.
        Err(error) if error.is(StatusCode::NOT_FOUND) => None,
        Err(error) => return Err(error),
    };
    if let Some(silence) = stands {
        return Ok(match changed(&silence, of) {
            None => Seen::AsBefore { words: Safe::from(format!("silence {id} still stands")) },
            Some(why) => Seen::Other { words: Safe::from(format!("silence {id} still stands: {why}")) },
        });
    }
    let (silences, alerts) = (server.silences().await?, server.alerts(matchers_of(of)).await?);
    let mark = mark(of);
    if let Some(twin) = silences.iter().find(|silence| silence.bears(&mark) && silence.stands()) {
        return Ok(Seen::Other { words: Safe::from(format!("silence {id} has ended, but {} stands", says(twin, of))) });
    }
    let still = alerts.iter().filter(|alert| alert.is_held_by(id)).count();
    if still > 0 {
        return Ok(Seen::Under {
            words: Safe::from(format!("silence {id} has ended; {still} alerts are not told yet")),
        });
    }
    let held: Vec<&Alert> = alerts.iter().filter(|alert| !alert.status.silenced_by.is_empty()).collect();
    let rest = match (alerts.len(), held.len()) {
        (0, _) => "no alert fires that it was about".to_owned(),
        (all, 0) => format!("{all} told again"),
        (all, held) => format!("{held} of {all} alerts are held by another silence"),
    };
    Ok(Seen::Live { words: Safe::from(format!("silence {id} has ended; {rest}")) })
}

fn says(twin: &Silence, of: &Plan) -> String {
    if twin.has(matchers_of(of)) {
        format!("{}, which is the same, delivered twice,", twin.id)
    } else {
        format!("{}, into which somebody changed it,", twin.id)
    }
}
