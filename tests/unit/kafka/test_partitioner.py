"""A key goes where every other client would send it."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as clients_murmur2
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.partitioner import murmur2, partition_of


@given(st.binary(max_size=80))
def test_the_hash_is_the_clients(key: bytes) -> None:
    assert murmur2(key) == clients_murmur2(key)


@given(st.uuids(), st.integers(1, 64))
def test_an_id_goes_to_the_partition_that_the_client_would_choose(key: object, partitions: int) -> None:
    every = list(range(partitions))

    assert partition_of(str(key).encode(), every, []) == DefaultPartitioner()(str(key).encode(), every, every)


def test_without_a_key_a_partition_without_a_leader_gets_nothing() -> None:
    assert {partition_of(None, [0, 1, 2], [1]) for _ in range(20)} == {1}
