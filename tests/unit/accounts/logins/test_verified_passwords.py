from postroad.accounts.logins.verified_passwords import VerifiedPasswords
from postroad.model.credential import Secret


def _memory(capacity: int = 10) -> VerifiedPasswords:
    return VerifiedPasswords(b"k" * 32, verified_for_ms=1000, capacity=capacity)


def test_proof_is_of_credential_version_and_password() -> None:
    memory = _memory()
    proofs = {
        memory.proof_of(1, "hash", Secret("A")),
        memory.proof_of(2, "hash", Secret("A")),
        memory.proof_of(1, "other", Secret("A")),
        memory.proof_of(1, "hash", Secret("B")),
    }

    assert len(proofs) == 4
    assert memory.proof_of(1, "hash", Secret("A")) in proofs


def test_proofs_of_another_process_mean_nothing() -> None:
    other = VerifiedPasswords(b"x" * 32, 1000)

    assert _memory().proof_of(1, "hash", Secret("A")) != other.proof_of(1, "hash", Secret("A"))


def test_proof_holds_for_its_time_and_no_longer() -> None:
    memory = _memory()
    memory.remember(b"proof", now=5000)

    assert memory.holds(b"proof", now=5999)
    assert not memory.holds(b"proof", now=6000)
    assert not memory.holds(b"unknown", now=5000)


def test_oldest_proof_goes_when_there_are_too_many() -> None:
    memory = _memory(capacity=2)
    for proof in (b"a", b"b", b"a", b"c"):
        memory.remember(proof, now=0)

    assert [memory.holds(proof, 1) for proof in (b"a", b"b", b"c")] == [True, False, True]
