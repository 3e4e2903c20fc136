import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from training.envs.catch import BALLS, HEIGHT, Catch, landing_column, optimal_action


def test_gymnasium_finds_nothing_wrong_with_it() -> None:
    check_env(Catch(), skip_render_check=True)  # its warnings are errors here


def test_a_game_is_ten_balls_and_the_same_for_the_same_seed() -> None:
    games = [Catch(), Catch()]
    images = [[game.reset(seed=4)[0]] for game in games]
    for game, seen in zip(games, images, strict=True):
        over = False
        while not over:
            image, _, over, cut, _ = game.step(1)
            seen.append(image)
            assert not cut
    assert len(images[0]) == BALLS * (HEIGHT - 1) + 1
    np.testing.assert_array_equal(images[0], images[1])


def test_ball_lands_at_its_column_and_is_hidden_by_the_curtain() -> None:
    game = Catch()
    for seed in range(30):
        game.reset(seed=seed)
        expected = landing_column(game)
        for row in range(1, HEIGHT - 1):
            image, reward, *_ = game.step(1)
            assert reward == 0
            assert int((image[:-1] > 0).sum()) == int(row < 5)
            assert int((game.observe(curtain=False)[:-1] > 0).sum()) == 1
        assert game.ball.row == HEIGHT - 2
        paddle = game.paddle
        assert game.step(1)[1] == float(abs(expected - paddle) <= 1)


def test_one_image_does_not_determine_where_the_ball_lands() -> None:
    """Same first image, other landing: a player without memory cannot know."""
    ends: dict[bytes, set[int]] = {}
    for seed in range(300):
        game = Catch()
        image, _ = game.reset(seed=seed)
        ends.setdefault(image.tobytes(), set()).add(landing_column(game))
    assert len(ends) == 12
    assert min(map(len, ends.values())) > 1


def test_the_optimal_player_catches_every_ball() -> None:
    for seed in range(20):
        game, total, over = Catch(), 0.0, False
        game.reset(seed=seed)
        while not over:
            _, reward, over, _, _ = game.step(optimal_action(game))
            total += reward
        assert total == BALLS


def test_an_unknown_action_is_rejected() -> None:
    game = Catch()
    game.reset(seed=0)
    with pytest.raises(ValueError, match="it must be 0 to 2"):
        game.step(3)
