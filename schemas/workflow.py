"""A workflow's definition: a plan of steps, named as the orchestrator names them (camelCase)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.names import EngineType


class WorkflowStep(BaseModel):
    """One step of a plan."""

    model_config = ConfigDict(frozen=True, extra="allow", validate_by_name=True, validate_by_alias=True)

    step_id: str = Field(alias="stepId", min_length=1, max_length=512, description="Unique within its plan.")
    agent_name: str = Field(alias="agentName", min_length=1, max_length=512, description="The agent that does it.")
    engine_type: EngineType = Field(alias="engineType", description="What runs it; any other engine is refused.")
    action: str = Field(min_length=1, max_length=512, description="What the agent is asked to do.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The action's input.")
    dependencies: tuple[str, ...] = Field(
        default=(), description="Ids of the steps that have to be complete before this one begins."
    )


class WorkflowDefinition(BaseModel):
    """A plan of steps. Only its shape is promised: a dangling or circular dependency is what a route repair is for."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = Field(default=None, max_length=512, description="The workflow's name.")
    version: str | None = Field(default=None, max_length=512, description="Which version of the definition this is.")
    plan: tuple[WorkflowStep, ...] = Field(max_length=1000, description="The steps; their order says nothing.")
