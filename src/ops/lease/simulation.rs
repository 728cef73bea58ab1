//! The election under arbitrary delays, losses, pauses, crashes, clock rates and people who edit the Lease: a
//! simulated network and API server around the real [`Election`], never more than one leader.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::election::{Election, Standing, Step};
use super::record::Candidate;
use super::timing::Timing;

const REPLICAS: usize = 3;
/// The end of a run, in milliseconds.
const END: u64 = 150_000;
/// The fastest clock against the slowest: just under lease duration by renew deadline, which is what is tolerated.
const FASTEST: f64 = 1.49;

/// What goes wrong in a run, each out of a thousand.
#[derive(Clone, Copy, Debug)]
struct Faults {
    lost: u32,
    slow: u32,
    frozen: u32,
    crashes: u32,
    edits: u32,
}

const NONE: Faults = Faults {
    lost: 0,
    slow: 0,
    frozen: 0,
    crashes: 0,
    edits: 0,
};

enum Event {
    Wake,
    Arrive(Box<Step>, u32),
    Answer(u32, Box<Answer>),
    GiveUp(u32),
    Edit,
}

enum Answer {
    Read(Option<Lease>),
    Written(Lease),
    Refused,
}

/// A process: its clock runs at `rate` of the world's.
struct Replica {
    election: Election,
    timing: Timing,
    started: Instant,
    rate: f64,
    skew: SignedDuration,
    /// Incarnation, so that what was meant for the one before is dropped.
    life: u32,
    request: u32,
    sent: Instant,
    /// Stopped until then: what happens to it waits.
    frozen: u64,
    led: bool,
}

struct World {
    now: u64,
    rng: StdRng,
    faults: Faults,
    lease: Option<Lease>,
    version: u64,
    replicas: Vec<Replica>,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    queue: HashMap<u64, (usize, u32, Event)>,
    serial: u64,
}

impl Replica {
    fn new(number: usize, life: u32, rng: &mut StdRng, started: Instant, now: u64) -> Self {
        let seconds = Duration::from_secs;
        let timing = Timing::new(seconds(15), seconds(10), seconds(5), seconds(2)).unwrap();
        let rate = if rng.random() { 1.0 } else { FASTEST };
        let candidate = Candidate {
            identity: format!("{number}-{life}"),
            lease: "operator".to_owned(),
        };
        Self {
            election: Election::new(candidate, timing, local(started, rate, now)),
            timing,
            started,
            rate,
            skew: SignedDuration::from_secs(rng.random_range(-86_400..86_400)),
            life,
            request: 0,
            sent: started,
            frozen: 0,
            led: false,
        }
    }

    fn local(&self, world: u64) -> Instant {
        local(self.started, self.rate, world)
    }

    fn world(&self, local: Instant) -> u64 {
        let millis = local
            .duration_since(self.started)
            .div_f64(self.rate)
            .as_millis();
        u64::try_from(millis).unwrap() + 1
    }

    fn leads(&self, now: u64) -> bool {
        match self.election.standing() {
            Standing::Leading { renewed } => {
                self.local(now) < *renewed + self.timing.renew_deadline()
            }
            _ => false,
        }
    }
}

fn local(started: Instant, rate: f64, world: u64) -> Instant {
    started + Duration::from_millis(world).mul_f64(rate)
}

impl World {
    fn new(seed: u64, faults: Faults) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        let replicas = (0..REPLICAS)
            .map(|n| Replica::new(n, 0, &mut rng, start, 0))
            .collect();
        let mut world = Self {
            now: 0,
            rng,
            faults,
            lease: None,
            version: 0,
            replicas,
            events: BinaryHeap::new(),
            queue: HashMap::new(),
            serial: 0,
        };
        for who in 0..REPLICAS {
            world.schedule(0, who, Event::Wake);
        }
        world.schedule(10_000, 0, Event::Edit);
        world
    }

    fn run(&mut self, until: u64) {
        while self
            .events
            .peek()
            .is_some_and(|Reverse((at, _))| *at <= until)
        {
            let Some(Reverse((at, id))) = self.events.pop() else {
                break;
            };
            self.now = at;
            let (who, life, event) = self.queue.remove(&id).unwrap();
            self.handle(who, life, event);
            self.check();
        }
    }

    fn check(&mut self) {
        let leaders: Vec<_> = (0..REPLICAS)
            .filter(|&n| self.replicas[n].leads(self.now))
            .collect();
        assert!(
            leaders.len() <= 1,
            "at {} ms these lead: {leaders:?}",
            self.now
        );
        for leader in leaders {
            self.replicas[leader].led = true;
        }
    }

    fn handle(&mut self, who: usize, life: u32, event: Event) {
        match event {
            Event::Edit => self.edit(),
            Event::Arrive(step, request) => self.arrive(who, life, *step, request),
            _ if self.replicas[who].life != life => {}
            event if self.replicas[who].frozen > self.now => {
                let left = self.replicas[who].frozen - self.now;
                self.schedule(left, who, event);
            }
            Event::Wake => self.wake(who),
            Event::Answer(request, answer) => self.answer(who, request, *answer),
            Event::GiveUp(request) => self.give_up(who, request),
        }
    }

    fn wake(&mut self, who: usize) {
        if self.chance(self.faults.crashes) {
            return self.restart(who);
        }
        let replica = &mut self.replicas[who];
        let now = replica.local(self.now);
        let wall = Timestamp::UNIX_EPOCH
            + SignedDuration::from_millis(self.now.cast_signed())
            + replica.skew;
        match replica.election.next(now, wall) {
            Step::Wait(until) => {
                let left = replica.world(until).saturating_sub(self.now);
                self.schedule(left, who, Event::Wake);
                self.maybe_freeze(who);
            }
            Step::Stop(_) => self.restart(who),
            step => self.send(who, step),
        }
    }

    /// The request may leave only after a pause, and the process may stop once it has left.
    fn send(&mut self, who: usize, step: Step) {
        let pause = self.maybe(self.faults.frozen, 40_000);
        let replica = &mut self.replicas[who];
        replica.request += 1;
        replica.sent = replica.local(self.now);
        let request = replica.request;
        let patience = replica.timing.attempt().div_f64(replica.rate);
        let patience = u64::try_from(patience.as_millis()).unwrap();
        if !self.chance(self.faults.lost) {
            let travel = self.travel();
            self.schedule(pause + travel, who, Event::Arrive(Box::new(step), request));
        }
        self.schedule(pause + patience, who, Event::GiveUp(request));
        self.maybe_freeze(who);
    }

    fn maybe_freeze(&mut self, who: usize) {
        self.replicas[who].frozen = self.now + self.maybe(self.faults.frozen, 40_000);
    }

    fn maybe(&mut self, of_a_thousand: u32, most: u64) -> u64 {
        if self.chance(of_a_thousand) {
            self.rng.random_range(0..most)
        } else {
            0
        }
    }

    fn arrive(&mut self, who: usize, life: u32, step: Step, request: u32) {
        let answer = match step {
            Step::Write(lease) => self.store(*lease),
            _ => Answer::Read(self.lease.clone()),
        };
        if !self.chance(self.faults.lost) {
            let travel = self.travel();
            self.enqueue(travel, who, life, Event::Answer(request, Box::new(answer)));
        }
    }

    fn store(&mut self, mut lease: Lease) -> Answer {
        let named = lease.metadata.resource_version.clone();
        if named
            != self
                .lease
                .as_ref()
                .and_then(|l| l.metadata.resource_version.clone())
        {
            return Answer::Refused;
        }
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        Answer::Written(lease)
    }

    fn answer(&mut self, who: usize, request: u32, answer: Answer) {
        let pause = self.pause(who);
        let replica = &mut self.replicas[who];
        if replica.request != request {
            return;
        }
        replica.request += 1;
        let now = replica.local(self.now);
        match answer {
            Answer::Read(lease) => replica.election.saw(lease, now, pause),
            Answer::Written(lease) => replica.election.wrote(lease, replica.sent, now, pause),
            Answer::Refused => replica.election.refused(now, pause),
        }
        self.schedule(0, who, Event::Wake);
    }

    fn give_up(&mut self, who: usize, request: u32) {
        let pause = self.pause(who);
        let replica = &mut self.replicas[who];
        if replica.request == request {
            replica.request += 1;
            let now = replica.local(self.now);
            replica.election.failed(replica.sent, now, pause);
            self.schedule(0, who, Event::Wake);
        }
    }

    /// Ends the process; a new one starts later under a new identity.
    fn restart(&mut self, who: usize) {
        let (life, led) = (self.replicas[who].life + 1, self.replicas[who].led);
        let started = self.replicas[who].started;
        let mut next = Replica::new(who, life, &mut self.rng, started, self.now);
        next.led = led;
        self.replicas[who] = next;
        let after = self.rng.random_range(0..5_000);
        self.schedule(after, who, Event::Wake);
    }

    /// Someone with kubectl: deletes the Lease, names another holder, clears the holder, or touches a label.
    fn edit(&mut self) {
        if self.chance(self.faults.edits) {
            match self.rng.random_range(0..5) {
                0 => self.lease = None,
                1 => self.name_holder(Some("somebody")),
                2 => self.name_holder(Some("1-0")),
                3 => self.name_holder(None),
                _ => self.touch(),
            }
        }
        let after = self.rng.random_range(100..10_000);
        self.schedule(after, 0, Event::Edit);
    }

    fn name_holder(&mut self, holder: Option<&str>) {
        if let Some(spec) = self.lease.as_mut().and_then(|l| l.spec.as_mut()) {
            spec.holder_identity = holder.map(str::to_owned);
        }
        self.touch();
    }

    fn touch(&mut self) {
        self.version += 1;
        if let Some(lease) = &mut self.lease {
            lease.metadata.resource_version = Some(self.version.to_string());
        }
    }

    fn travel(&mut self) -> u64 {
        let most = if self.chance(self.faults.slow) {
            20_000
        } else {
            50
        };
        self.rng.random_range(1..most)
    }

    fn pause(&mut self, who: usize) -> Duration {
        self.replicas[who]
            .timing
            .pause(self.rng.random_range(0.0..1.0))
    }

    fn chance(&mut self, of_a_thousand: u32) -> bool {
        self.rng.random_range(0..1000) < of_a_thousand
    }

    fn schedule(&mut self, after: u64, who: usize, event: Event) {
        self.enqueue(after, who, self.replicas[who].life, event);
    }

    fn enqueue(&mut self, after: u64, who: usize, life: u32, event: Event) {
        self.serial += 1;
        self.queue.insert(self.serial, (who, life, event));
        self.events.push(Reverse((self.now + after, self.serial)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn there_are_never_two_leaders(
        seed: u64, lost in 0_u32..300, slow in 0_u32..300, frozen in 0_u32..100, crashes in 0_u32..20,
        edits in 0_u32..500,
    ) {
        World::new(seed, Faults { lost, slow, frozen, crashes, edits }).run(END);
    }

    #[test]
    fn without_faults_one_leads_and_stays(seed: u64) {
        let mut world = World::new(seed, NONE);
        world.run(END);
        prop_assert_eq!(world.replicas.iter().filter(|r| r.led).count(), 1);
        prop_assert!(world.replicas.iter().any(|r| r.leads(END)));
        let spec = world.lease.unwrap().spec.unwrap();
        prop_assert_eq!(spec.lease_transitions, Some(0));
    }

    #[test]
    fn after_faults_somebody_leads_again(seed: u64) {
        let faults = Faults { lost: 200, slow: 100, frozen: 50, crashes: 20, edits: 300 };
        let mut world = World::new(seed, faults);
        world.run(END);
        world.faults = NONE;
        world.run(END + 120_000);
        prop_assert!(world.replicas.iter().any(|r| r.leads(world.now)), "nobody leads at {} ms", world.now);
    }
}
