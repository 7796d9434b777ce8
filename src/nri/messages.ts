import type { ConfigureResponse__Output } from '../gen/nri/pkg/api/v1alpha1/ConfigureResponse.js';
import type { ContainerAdjustment__Output } from '../gen/nri/pkg/api/v1alpha1/ContainerAdjustment.js';
import type { CreateContainerResponse__Output } from '../gen/nri/pkg/api/v1alpha1/CreateContainerResponse.js';
import type { Empty__Output } from '../gen/nri/pkg/api/v1alpha1/Empty.js';
import type { RegisterPluginRequest__Output } from '../gen/nri/pkg/api/v1alpha1/RegisterPluginRequest.js';
import type { StopContainerResponse__Output } from '../gen/nri/pkg/api/v1alpha1/StopContainerResponse.js';
import type { SynchronizeResponse__Output } from '../gen/nri/pkg/api/v1alpha1/SynchronizeResponse.js';
import type { UpdateContainerResponse__Output } from '../gen/nri/pkg/api/v1alpha1/UpdateContainerResponse.js';
import type { UpdateContainersRequest__Output } from '../gen/nri/pkg/api/v1alpha1/UpdateContainersRequest.js';
import type { ValidateContainerAdjustmentResponse__Output } from '../gen/nri/pkg/api/v1alpha1/ValidateContainerAdjustmentResponse.js';

/** What plugins send, by the names of the messages. */
export interface PluginMessages {
  ConfigureResponse: ConfigureResponse__Output;
  ContainerAdjustment: ContainerAdjustment__Output;
  CreateContainerResponse: CreateContainerResponse__Output;
  Empty: Empty__Output;
  RegisterPluginRequest: RegisterPluginRequest__Output;
  StopContainerResponse: StopContainerResponse__Output;
  SynchronizeResponse: SynchronizeResponse__Output;
  UpdateContainerResponse: UpdateContainerResponse__Output;
  UpdateContainersRequest: UpdateContainersRequest__Output;
  ValidateContainerAdjustmentResponse: ValidateContainerAdjustmentResponse__Output;
}
