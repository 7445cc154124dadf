//! Several questions at once.

use crate::ports::Asking;
use std::future::{poll_fn, ready};
use std::task::Poll;

/// The answers, in the order of the questions.
pub(crate) async fn together<T>(mut asking: Vec<Asking<'_, T>>) -> Vec<T> {
    let mut answers: Vec<Option<T>> = asking.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        for (asked, answer) in asking.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            match asked.as_mut().poll(context) {
                Poll::Ready(found) => *answer = Some(found),
                Poll::Pending => waits = true,
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// Asked when this returns; the answer may be waited for somewhere else.
pub(crate) async fn begun<T: Send + 'static>(mut asking: Asking<'static, T>) -> Asking<'static, T> {
    match poll_fn(|context| Poll::Ready(asking.as_mut().poll(context))).await {
        Poll::Ready(answer) => Box::pin(ready(answer)),
        Poll::Pending => asking,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Barrier;

    /// Each waits until all have been asked: one by one they would wait for ever.
    #[tokio::test]
    async fn all_are_asked_before_one_answers_and_the_order_stays() {
        let barrier = Arc::new(Barrier::new(5));
        let ask = |number: usize| -> Asking<'static, usize> {
            let barrier = Arc::clone(&barrier);
            Box::pin(async move {
                barrier.wait().await;
                for _ in number..5 {
                    tokio::task::yield_now().await;
                }
                number
            })
        };
        assert_eq!(together((0..5).map(ask).collect()).await, [0, 1, 2, 3, 4]);
        assert_eq!(together(Vec::<Asking<'static, usize>>::new()).await, [0usize; 0]);
    }

    /// Whoever is handed the answers waits in another task than the one that asked.
    #[tokio::test]
    async fn what_has_begun_is_asked_in_order_and_answers_elsewhere() {
        let (barrier, asked) = (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(0)));
        let mut begun_so_far = Vec::new();
        for number in 0..4 {
            let (barrier, asked) = (Arc::clone(&barrier), Arc::clone(&asked));
            let asking: Asking<'static, usize> = Box::pin(async move {
                assert_eq!(asked.fetch_add(1, Ordering::Relaxed), number);
                // The last one has its answer at once.
                if number < 3 {
                    barrier.wait().await;
                }
                number
            });
            begun_so_far.push(begun(asking).await);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        assert_eq!(tokio::spawn(together(begun_so_far)).await.unwrap(), [0, 1, 2, 3]);
    }
}
