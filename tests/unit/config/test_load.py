from pathlib import Path

import pytest

from postroad.config import ConfigError, Settings, load


def _write(folder: Path, text: str) -> Path:
    path = folder / "postroad.toml"
    path.write_text(text)
    return path


def test_without_file_and_environment_every_setting_has_its_default() -> None:
    assert Settings() == load(None, {})


def test_file_gives_values(tmp_path: Path) -> None:
    settings = load(_write(tmp_path, 'workers = 3\n[http]\nlisten = ["[::1]:80"]\n[log]\nlevel = "debug"\n'), {})

    assert (settings.workers, settings.http.listen, settings.log.level) == (3, ("[::1]:80",), "debug")


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, 'workers = 3\n[log]\nlevel = "debug"\nformat = "json"\n')

    settings = load(path, {"POSTROAD_WORKERS": "2", "POSTROAD_LOG__LEVEL": "error"})

    assert (settings.workers, settings.log.level, settings.log.format) == (2, "error", "json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1:80",)),
        ("127.0.0.1:80, [::1]:80", ("127.0.0.1:80", "[::1]:80")),
        ('["127.0.0.1:80"]', ("127.0.0.1:80",)),
        ("", ()),
    ],
)
def test_lists_come_from_the_environment_with_commas(text: str, expected: tuple[str, ...]) -> None:
    assert expected == load(None, {"POSTROAD_HTTP__LISTEN": text}).http.listen


def test_unknown_setting_names_the_nearest_and_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, '[log]\nlevle = "debug"\n')

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert f"{path}: log.levle is not a setting; did you mean log.level?" == str(caught.value)


def test_setting_in_the_wrong_section_is_found_by_its_last_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean smtp\.proxy_protocol_from\?"):
        load(_write(tmp_path, "[log]\nproxy_protocol_from = []\n"), {})


def test_unknown_variable_with_a_section_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"POSTROAD_LOG__LEVLE": "debug"})

    assert str(caught.value) == "environment: POSTROAD_LOG__LEVLE is not a setting; did you mean POSTROAD_LOG__LEVEL?"


def test_variables_of_others_are_left_alone() -> None:
    assert Settings() == load(None, {"POSTROAD_PORT": "tcp://10.0.0.1:25", "POSTROAD_CONFIG": "x", "HOME": "/"})


def test_value_out_of_bounds_names_its_path(tmp_path: Path) -> None:
    path = _write(tmp_path, "[retention]\nevents_days = 99999\n")

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert f"{path}: retention.events_days: must be a whole number, 1 to 3650" == str(caught.value)


def test_bad_value_from_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"POSTROAD_WORKERS": "many"})

    assert str(caught.value) == "environment: POSTROAD_WORKERS: must be a whole number, 0 to 64"


def test_section_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, "log = 3\n")

    with pytest.raises(ConfigError, match="log: must be a table of settings"):
        load(path, {})
    with pytest.raises(ConfigError, match="log: expected a table"):
        load(path, {"POSTROAD_LOG__LEVEL": "info"})


def test_missing_file_and_bad_toml_are_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(tmp_path / "nowhere.toml", {})
    with pytest.raises(ConfigError, match=r"postroad\.toml: is not TOML: .*line 1"):
        load(_write(tmp_path, "workers = = 1"), {})


def test_data_folder_is_found_from_the_file_and_not_from_the_working_folder(tmp_path: Path) -> None:
    path = _write(tmp_path, 'data_dir = "mail"\n')

    assert load(path, {}).data_dir == str(tmp_path / "mail")
    assert load(_write(tmp_path, ""), {}).data_dir == str(tmp_path / "postroad-data")
    assert load(path, {"POSTROAD_DATA_DIR": "here"}).data_dir == "here"
    assert load(_write(tmp_path, 'data_dir = "/srv/mail"\n'), {}).data_dir == "/srv/mail"
