"""A beat that sends each second what the product's sends every few minutes.

python -m tests.faults.brisk_beat
"""

from portal.celery import app

EVERY_SECONDS = 1.0


def main() -> None:
    for entry in app.conf.beat_schedule.values():
        entry["schedule"] = EVERY_SECONDS
    app.Beat(scheduler_cls="celery.beat:Scheduler", loglevel="INFO").run()


if __name__ == "__main__":
    main()
