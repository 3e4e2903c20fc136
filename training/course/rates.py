"""Learning-rate schedules: the rate at each step, and the losses of a small net."""

import torch
from torch import nn

from training.course.digits import load_digit_splits, train
from training.optim.schedules import (
    ConstantSchedule,
    Cosine,
    Cyclic,
    Exponential,
    OneCycle,
    Schedule,
    StepDecay,
)

EPOCHS, BATCH_SIZE, RATE = 12, 32, 0.8

SCHEDULES: dict[str, Schedule] = {
    "fixed": ConstantSchedule(),
    "step": StepDecay(every_epochs=4, gamma=0.2),
    "exponential": Exponential(gamma=0.75),
    "cosine": Cosine(),
    "cyclic": Cyclic(cycle_epochs=4),
    "one-cycle": OneCycle(),
    "warm-up, then fixed": ConstantSchedule(warmup_epochs=2),
    "warm-up, then cosine": Cosine(warmup_epochs=2),
}


def scheduled_rates(
    schedule: Schedule, *, rate: float = 1.0, steps_per_epoch: int = 40
) -> list[float]:
    """Return the learning rate of each step of `EPOCHS` epochs."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = schedule.build(optimizer, steps_per_epoch, EPOCHS)
    step_rates = []
    for _ in range(EPOCHS * steps_per_epoch):
        step_rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return step_rates


def train_network(schedule: Schedule, seed: int = 0, epochs: int = EPOCHS) -> list[float]:
    """Return the loss (nats) by epoch of one hidden layer of 32 units, trained at a high rate."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    data = load_digit_splits().train
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    scheduler = schedule.build(optimizer, len(data) // BATCH_SIZE, EPOCHS)
    return train(
        network,
        data,
        optimizer,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        seed=seed,
        after_step=scheduler.step,
    )
