//! Whatever breaks and however often: in the end the image is there as a whole, or no tag names it.

use proptest::prelude::*;
use tidegate::registry::{Pace, push};

use super::cut::way;
use super::fake::{Fake, Manner};
use super::kit::{QUICK, image, index, repository_as, text};

/// Where a connection is cut: in its first request, in a small blob, in a large one, or not at all.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..600_usize, 2 => 0..20_000_usize, 2 => 0..5_000_000_usize, 1 => Just(usize::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_cuts_end_in_the_whole_image_or_in_no_tag(
        cuts in prop::collection::vec((place(), place()), 0..24),
        tells_range: bool,
        tries in 1..10_u32,
        sizes in prop::collection::vec(0..30_000_usize, 1..4),
        is_large: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let fake = Fake::new(Manner { tells_range, ..Manner::default() }).await;
            let mut layers: Vec<_> = sizes.iter().enumerate().map(|(seed, size)| text(seed as u64, *size)).collect();
            if is_large {
                layers.push(text(99, (4 << 20) + 300_000));
            }
            let package = index(&[image(&layers), image(&layers[..1])]);
            let (address, cuts) = way(fake.address, cuts).await;
            let to = repository_as(address, "shop", "{}", Pace { tries, ..QUICK }).await;
            let pushed = push(&package, &to, &["1".to_owned()], None).await;
            let is_tagged = !fake.kept.lock().unwrap().tags.is_empty();
            assert!(!is_tagged || fake.is_whole("shop", "1"), "a tag names less than all");
            match pushed {
                Ok(pushed) => assert!(is_tagged && pushed.digest == package.root().unwrap().digest),
                Err(error) => assert!(!error.sentence.is_empty() && error.code == "registry-unreachable", "{error:?}"),
            }
            // When nothing breaks any more, the same push brings it to its end.
            cuts.lock().unwrap().clear();
            let to = repository_as(address, "shop", "{}", QUICK).await;
            push(&package, &to, &["1".to_owned()], None).await.unwrap();
            assert!(fake.is_whole("shop", "1"));
        });
    }
}
