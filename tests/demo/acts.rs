//! What happens, in order.

use std::time::{Duration, Instant};

use switcher_tests::Color::{Blue, Green};

use crate::crowd::BORN_GREEN;
use crate::display::ratio;
use crate::ledger::{Ledger, Step};
use crate::operator::Operator;
use crate::scene::SERVICE;
use crate::trouble::Trouble;

/// The drain at the end: three seconds of silence, seen by a look a second.
const DRAIN: Duration = Duration::from_millis(4500);
/// At least so many flips by the API.
const FLIPS: u64 = 100;

/// Plays all acts; what the operator did.
pub(crate) fn play(mut operator: Operator<'_>) -> Ledger {
    warm_up(&operator);
    flip(&mut operator);
    flip_back(&mut operator);
    ramp(&mut operator);
    trouble(&mut operator);
    crash(&mut operator);
    rapid(&mut operator);
    drain(&mut operator);
    operator.ledger
}

fn warm_up(operator: &Operator<'_>) {
    operator.announce("warm-up", "all connections go to blue", "");
    operator.watch(operator.time(0.08, DRAIN));
}

fn flip(operator: &mut Operator<'_>) {
    operator.crowd.expectation.allow(&[Blue, Green]);
    let words = "new connections to green, old ones stay blue";
    operator.command("flip", words, &format!("flip {SERVICE} green"), Some(Green));
    operator.crowd.expectation.allow(&[Green]);
    operator.ledger.flips += 1;
    operator.crowd.join(&operator.scene.topology);
    operator.watch(operator.time(0.1, DRAIN));
}

fn flip_back(operator: &mut Operator<'_>) {
    operator.crowd.expectation.allow(&[Blue, Green]);
    let words = format!("back to blue: {BORN_GREEN} born on green stay there");
    operator.command("flip back", &words, &format!("flip {SERVICE} blue"), Some(Blue));
    operator.crowd.expectation.allow(&[Blue]);
    operator.ledger.flips += 1;
    operator.watch(operator.time(0.1, DRAIN));
}

fn ramp(operator: &mut Operator<'_>) {
    operator.crowd.expectation.allow(&[Blue, Green]);
    for (percent, words) in [
        (10, "ramp: a tenth of the new to green"),
        (50, "ramp: half of the new"),
        (100, "ramp: all of the new"),
    ] {
        let new = (percent == 10).then_some(Green);
        operator.command("ramp", words, &format!("weight {SERVICE} green={percent}%"), new);
        operator.ledger.steps += 1;
        if percent == 100 {
            operator.crowd.expectation.allow(&[Green]);
        }
        let before = operator.crowd.census().short;
        operator.watch(operator.time(0.1, DRAIN));
        let after = operator.crowd.census().short;
        // Nothing can be said of a share if nobody came.
        let visits = after.requests - before.requests;
        let seen_percent = (visits > 0).then(|| 100.0 * ratio(after.green - before.green, visits));
        operator.ledger.ramp.push(Step { asked_percent: percent, seen_percent });
    }
}

fn trouble(operator: &mut Operator<'_>) {
    let pid = operator.scene.green.pid();
    let command = format!("$ kill -STOP {pid}; kill -CONT {pid}; ...");
    operator.announce("trouble", "trouble: green gets slow", &command);
    let trouble = Trouble::of(&operator.scene.green);
    operator.watch(operator.time(0.1, DRAIN));
    operator.crowd.expectation.allow(&[Blue, Green]);
    let words = "away from green, in one store";
    operator.command("rollback", words, &format!("rollback {SERVICE}"), Some(Blue));
    operator.crowd.expectation.allow(&[Blue]);
    operator.ledger.rollbacks += 1;
    operator.watch(operator.time(0.12, DRAIN));
    drop(trouble);
}

fn crash(operator: &mut Operator<'_>) {
    let before = operator.scene.switch();
    let pid = operator.scene.daemon.pid().unwrap_or_default();
    operator.announce("crash", "crash: traffic goes on without the daemon", &format!("$ kill -9 {pid}"));
    let start = Instant::now();
    operator.scene.daemon.kill9();
    operator.ledger.daemon_kills += 1;
    operator.watch(operator.time(0.15, DRAIN));
    operator.announce("restart", "restart: it adopts what runs", "$ switcherd --config switcher.toml");
    operator.scene.daemon.restart();
    operator.ledger.away = Some(start.elapsed());
    let after = operator.scene.switch();
    let known = |switch: &switcher_user::api::message::SwitchStatus| {
        let transition = switch.transition.as_ref().map(|transition| transition.since);
        (switch.word.clone(), switch.live, switch.services.clone(), switch.since, transition)
    };
    if known(&before) != known(&after) {
        operator.complain(format!("the restarted daemon says {after:?}, the killed one said {before:?}"));
    }
    operator.command("restart", "all is as before the crash", "status", None);
    operator.watch(operator.time(0.1, DRAIN));
}

fn rapid(operator: &mut Operator<'_>) {
    let command = format!("POST /v1/services/{SERVICE}/flip");
    operator.announce("rapid flips", "rapid flips, one after the other", &command);
    operator.crowd.expectation.allow(&[Blue, Green]);
    let end = Instant::now() + operator.time(0.85, DRAIN);
    let mut done = 0;
    while done < FLIPS || Instant::now() < end {
        for color in [Green, Blue] {
            let change = operator.scene.flip(color);
            operator.ledger.stores.saturating_record(change.store_ns);
            // The flips have to be done in any case, the other measurement only if there is time.
            if Instant::now() < end {
                operator.note_first_packet();
            }
            done += 1;
        }
        operator.crowd.look_away();
    }
    operator.crowd.expectation.allow(&[Blue]);
    operator.ledger.flips += done;
}

fn drain(operator: &mut Operator<'_>) {
    operator.announce("drain", &format!("the {BORN_GREEN} connections on green are closed"), "");
    operator.crowd.part();
    let words = "the drain ends by itself";
    let start = Instant::now();
    operator.command("drain", words, &format!("drain {SERVICE} --wait --wait-timeout 30s"), None);
    operator.ledger.drain = Some(start.elapsed());
    if operator.scene.switch().transition.is_some() {
        operator.complain("the drain has not ended");
    }
    operator.announce("end", "drained: nothing is left to remember", "");
    operator.watch(operator.time(1.0, Duration::ZERO));
}
