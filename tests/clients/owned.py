"""Prints the buckets that two tenants own, on one line."""

from common import client


def names(prefix):
    return " ".join(bucket["Name"] for bucket in client(prefix).list_buckets()["Buckets"])


print(f"A: {names('A_')}, B: {names('B_')}".strip())
