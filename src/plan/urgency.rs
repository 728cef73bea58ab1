//! Who goes first where a backend's budget does not suffice for all.

use jiff::Timestamp;

use crate::api::token_status::TokenStatus;

/// How much a pass over an object matters; the first is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Somebody has no working token, or a token has to die.
    Broken,
    /// A token is due, and expires at this instant; the far future if it never does.
    Due(Timestamp),
    /// Somebody waits for it: the object is new, changed, on its way out, or has an order.
    Asked,
    /// Nothing is known to be amiss.
    Routine,
}

/// What is known of an object before anything is asked of its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A token is said to be in wrong hands.
    Compromised,
    /// The object is new, changed, on its way out, or has an order.
    Asked,
    /// None.
    None,
}

/// Whether anybody can use what a Secret is said to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// The Secret is there, and its token was not refused.
    Working,
    /// The Secret is gone, or its token was refused.
    Broken,
}

/// How much a pass matters at `now`, by what people did and by what is known of each token.
#[must_use]
pub fn urgency<'t>(
    news: News,
    tokens: impl IntoIterator<Item = (&'t TokenStatus, Supply)>,
    now: Timestamp,
) -> Urgency {
    let asked = match news {
        News::Compromised => Urgency::Broken,
        News::Asked => Urgency::Asked,
        News::None => Urgency::Routine,
    };
    let tokens = tokens.into_iter();
    let tokens = tokens.map(|(token, supply)| of_token(token, supply, now));
    tokens.chain([asked]).min().unwrap_or(asked)
}

/// One that was never issued is as urgent as its object.
fn of_token(token: &TokenStatus, supply: Supply, now: Timestamp) -> Urgency {
    if token.id.is_none() {
        return Urgency::Routine;
    }
    if supply == Supply::Broken || !token.has_token(now) {
        return Urgency::Broken;
    }
    let due = token.next_rotation_time.as_ref();
    if due.is_none_or(|due| due.0 > now) {
        return Urgency::Routine;
    }
    let end = token.expiration_time.as_ref();
    Urgency::Due(end.map_or(Timestamp::MAX, |end| end.0))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn token(due: Option<i64>, end: Option<i64>) -> TokenStatus {
        TokenStatus {
            id: Some("t".to_owned()),
            next_rotation_time: due.map(|second| Time(at(second))),
            expiration_time: end.map(|second| Time(at(second))),
            ..TokenStatus::default()
        }
    }

    fn of(news: News, tokens: &[(TokenStatus, Supply)]) -> Urgency {
        let tokens = tokens.iter().map(|(token, supply)| (token, *supply));
        urgency(news, tokens, at(100))
    }

    #[test]
    fn no_working_token_comes_first_then_the_soonest_end_then_people_then_routine() {
        let order = [
            Urgency::Broken,
            Urgency::Due(at(5)),
            Urgency::Due(at(6)),
            Urgency::Due(Timestamp::MAX),
            Urgency::Asked,
            Urgency::Routine,
        ];
        assert!(order.is_sorted());
    }

    #[test]
    fn the_most_urgent_token_decides() {
        let working = |due, end| (token(due, end), Supply::Working);
        let (calm, due) = (working(Some(200), Some(300)), working(Some(100), Some(150)));
        assert_eq!(of(News::None, &[]), Urgency::Routine);
        assert_eq!(
            of(News::None, std::slice::from_ref(&calm)),
            Urgency::Routine
        );
        let both = [calm, due];
        assert_eq!(of(News::None, &both), Urgency::Due(at(150)));
        assert_eq!(of(News::Asked, &both), Urgency::Due(at(150)));
        let aged = working(Some(90), None);
        assert_eq!(of(News::Asked, &[aged]), Urgency::Due(Timestamp::MAX));
        assert_eq!(of(News::None, &[working(None, None)]), Urgency::Routine);
    }

    #[test]
    fn a_token_that_is_dead_or_whose_secret_is_amiss_is_broken() {
        let expired = (token(Some(50), Some(100)), Supply::Working);
        let lost = (token(Some(200), Some(300)), Supply::Broken);
        assert_eq!(of(News::None, &[expired]), Urgency::Broken);
        assert_eq!(of(News::None, &[lost]), Urgency::Broken);
    }

    #[test]
    fn what_people_ask_for_comes_before_routine_and_a_leak_before_all() {
        let unissued = (TokenStatus::default(), Supply::Broken);
        assert_eq!(of(News::Asked, &[unissued]), Urgency::Asked);
        assert_eq!(of(News::Compromised, &[]), Urgency::Broken);
    }
}
