"""The catalog: the operator's allowlist of what the healer may touch. No event can ever widen it.

`document.py` parses and validates the whole file, `current.py` keeps the catalog in force and the earlier ones that
plans were made with, `runners/` declares the engines, `generators/` what makes images and voices. Neighbours: all
packages read it, `service/catalog_file.py` loads it.
Invariant: what is not declared is not allowed, and an error is reported with its line.
"""

from consumer.catalog.access import Host, Secret, Source
from consumer.catalog.actions import ActionLook, DeclaredAction
from consumer.catalog.agent import AgentDiagnosisLimits, AgentLimits, AgentModel
from consumer.catalog.approval import ApprovalRules
from consumer.catalog.auto_regenerate import AutoRegenerateLimits
from consumer.catalog.change_request import ChangeCall, ChangeRequest, MergedLook
from consumer.catalog.current import Catalogs
from consumer.catalog.generators.declared import DescribedGenerator
from consumer.catalog.heartbeats import HeartbeatRules
from consumer.catalog.ladder import RungLimits
from consumer.catalog.limits import AutoRetryLimits, Brake, SameLimit, micro_aud
from consumer.catalog.media_stores import CallPointer, DeclaredMediaStore, KeyPointer, S3Place, WebPlace
from consumer.catalog.parsing import Catalog, parse_catalog
from consumer.catalog.policy import WorkflowPolicy
from consumer.catalog.route_repair import RouteRepairLimits
from consumer.catalog.runners.airflow import AirflowRunner, StepInput
from consumer.catalog.runners.conductor import ConductorRunner
from consumer.catalog.runners.declared import DescribedRunner
from consumer.catalog.runners.http import CallTemplate, HttpRunner, LookCall, OrderCall, TemplatedRunner
from consumer.catalog.runners.kafka import KafkaRunner
from consumer.catalog.runners.maos import MaosRunner
from consumer.catalog.runners.prefect import PrefectRunner
from consumer.catalog.runners.run_look import StepsLook
from consumer.catalog.runners.server import EngineServer
from consumer.catalog.runners.temporal import TemporalRunner
from consumer.catalog.schema_autofix import SchemaAutofixLimits
from consumer.catalog.steps import Again, StepReadBack, StepRule
from consumer.catalog.topics import DeclaredTopic, ForeignFormat

__all__ = [
    "ActionLook",
    "Again",
    "AgentDiagnosisLimits",
    "AgentLimits",
    "AgentModel",
    "AirflowRunner",
    "ApprovalRules",
    "AutoRegenerateLimits",
    "AutoRetryLimits",
    "Brake",
    "CallPointer",
    "CallTemplate",
    "Catalog",
    "Catalogs",
    "ChangeCall",
    "ChangeRequest",
    "ConductorRunner",
    "DeclaredAction",
    "DeclaredMediaStore",
    "DeclaredTopic",
    "DescribedGenerator",
    "DescribedRunner",
    "EngineServer",
    "ForeignFormat",
    "HeartbeatRules",
    "Host",
    "HttpRunner",
    "KafkaRunner",
    "KeyPointer",
    "LookCall",
    "MaosRunner",
    "MergedLook",
    "OrderCall",
    "PrefectRunner",
    "RouteRepairLimits",
    "RungLimits",
    "S3Place",
    "SameLimit",
    "SchemaAutofixLimits",
    "Secret",
    "Source",
    "StepInput",
    "StepReadBack",
    "StepRule",
    "StepsLook",
    "TemplatedRunner",
    "TemporalRunner",
    "WebPlace",
    "WorkflowPolicy",
    "micro_aud",
    "parse_catalog",
]
