//! Times that come again and again, in which a token that is due may be replaced.
//!
//! A schedule speaks of the time on the wall, and jiff makes instants of it: a time that the clocks skip comes as much
//! later, and one that they repeat counts where it comes first. The time zones are those that are compiled in, so that the
//! same spec means the same instants wherever the operator runs.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::schedule::{after, before};
use crate::api::token::{Rotation, Window as WindowSpec};

/// No zone moves its clocks further than this.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// From when on a schedule has to come true at least once.
const BEGINNING: DateTime = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);

/// A time that comes again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    schedule: Cron,
    zone: TimeZone,
    duration: SignedDuration,
}

/// One time that a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// When it opens.
    pub(super) from: Timestamp,
    /// When it is closed again.
    pub(super) until: Timestamp,
}

/// Why a window cannot be kept to, in the words of the spec: which field, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWindow {
    /// Its time zone is not known.
    #[error(
        "rotation.windows[{index}].timeZone is {name}, which the IANA database does not have: write a name of it, such as Europe/Paris, or leave timeZone out for UTC"
    )]
    Zone {
        /// Which window.
        index: usize,
        /// What its time zone is called.
        name: String,
    },
    /// Its schedule is none.
    #[error(
        "rotation.windows[{index}].schedule is {schedule}, which is not on any clock or calendar: minutes are 0 to 59, hours 0 to 23, days 1 to 31, months 1 to 12 or JAN to DEC, days of the week 0 to 7 or SUN to SAT, and a range goes upwards"
    )]
    Schedule {
        /// Which window.
        index: usize,
        /// What was written.
        schedule: String,
    },
    /// Its schedule names a day that never comes.
    #[error(
        "rotation.windows[{index}].schedule is {schedule}, a day that no year has: correct its day of the month or its month"
    )]
    Never {
        /// Which window.
        index: usize,
        /// What was written.
        schedule: String,
    },
}

/// Whether all windows can be kept to; the first that cannot if not.
///
/// # Errors
/// Which field of which window is wrong.
pub fn check_windows(rotation: &Rotation) -> Result<(), InvalidWindow> {
    let mut windows = rotation.windows.iter().enumerate();
    windows.try_for_each(|(index, spec)| Window::new(index, spec).map(drop))
}

/// The windows that can be kept to.
pub(super) fn valid(rotation: &Rotation) -> Vec<Window> {
    let windows = rotation.windows.iter().enumerate();
    windows
        .filter_map(|(index, spec)| Window::new(index, spec).ok())
        .collect()
}

/// Where something that is due at `due` is done first: of all openings that end after `instant`.
///
/// As time goes by, the answer stays the same until that opening ends.
pub(super) fn first(windows: &[Window], due: Timestamp, instant: Timestamp) -> Option<Opening> {
    let openings = windows.iter().filter_map(|window| window.opening(instant));
    openings.min_by_key(|opening| (opening.from.max(due), opening.until))
}

impl Window {
    fn new(index: usize, spec: &WindowSpec) -> Result<Self, InvalidWindow> {
        Ok(Self {
            schedule: schedule(index, &spec.schedule)?,
            zone: zone(index, spec.time_zone.as_deref())?,
            duration: spec.duration.signed(),
        })
    }

    /// The first opening that ends after `instant`. It may have begun before.
    fn opening(&self, instant: Timestamp) -> Option<Opening> {
        let from = self.opens_after(before(instant, self.duration))?;
        Some(Opening {
            from,
            until: after(from, self.duration),
        })
    }

    /// The first instant after this one at which it opens. Where clocks move, the order on the wall is not that of the
    /// instants, so a little more is looked at than the next time on the wall.
    fn opens_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let [earlier, here] = self.offsets(instant);
        let mut wall = earlier.min(here).to_datetime(instant);
        let mut first = None;
        while let Ok(next) = self.schedule.find_next_occurrence(&wall, false) {
            wall = next;
            let opens = self.zone.to_timestamp(wall).ok()?;
            if opens <= instant {
                continue;
            }
            let soonest = first.map_or(opens, |first: Timestamp| first.min(opens));
            first = Some(soonest);
            let [earlier, here] = self.offsets(soonest);
            let later_ones = earlier.max(here).to_timestamp(wall).ok();
            if later_ones.is_none_or(|bound| bound >= soonest) {
                break;
            }
        }
        first
    }

    /// The zone's offset a day before this instant, and at it.
    fn offsets(&self, instant: Timestamp) -> [Offset; 2] {
        [before(instant, DAY), instant].map(|instant| self.zone.to_offset(instant))
    }
}

fn schedule(index: usize, text: &str) -> Result<Cron, InvalidWindow> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let schedule = text.to_owned();
    let Ok(cron) = parser.parse(text) else {
        return Err(InvalidWindow::Schedule { index, schedule });
    };
    match cron.find_next_occurrence(&BEGINNING, true) {
        Ok(_) => Ok(cron),
        Err(_) => Err(InvalidWindow::Never { index, schedule }),
    }
}

fn zone(index: usize, name: Option<&str>) -> Result<TimeZone, InvalidWindow> {
    let Some(name) = name else {
        return Ok(TimeZone::UTC);
    };
    let zone = TimeZoneDatabase::bundled().get(name).ok();
    let zone = zone.filter(|zone| !zone.is_unknown());
    zone.ok_or_else(|| InvalidWindow::Zone {
        index,
        name: name.to_owned(),
    })
}
