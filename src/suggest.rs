//! What a mistyped name was meant to be.

/// The candidate that `name` was most likely meant to be, if any is near enough to be worth suggesting: a typing slip
/// away, or a longer name of which `name` is a word (`gaussian` for `gaussian_filter`).
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    // The distance takes time and memory of the product of the lengths; no real name is that long.
    if length > 64 {
        return None;
    }
    candidates
        .filter_map(|candidate| Some((unlikeness(&wanted, length, candidate)?, candidate)))
        .min_by_key(|&(unlikeness, _)| unlikeness)
        .map(|(_, candidate)| candidate)
}

/// The order in which candidates are preferred: slips first, by their number, then the shortest longer name.
fn unlikeness(wanted: &str, length: usize, candidate: &str) -> Option<(bool, usize)> {
    let candidate = candidate.to_lowercase();
    let other = candidate.chars().count();
    let allowed = (length / 3).min(3);
    if length.abs_diff(other) <= allowed {
        let slips = strsim::damerau_levenshtein(wanted, &candidate);
        if slips <= allowed {
            return Some((false, slips));
        }
    }
    let is_word = length >= 3 && candidate.split('_').any(|word| word == wanted);
    is_word.then_some((true, other))
}
